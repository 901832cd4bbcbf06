ALLOWED_HOSTS=['*']
DATABASES={'default':{'ENGINE':'django.db.backends.postgresql'}}
WSGI_APPLICATION='shop.wsgi.application'
