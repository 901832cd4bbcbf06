DATABASES={'default':{'ENGINE':'django.db.backends.postgresql'}}
ROOT_URLCONF='shop.urls'
WSGI_APPLICATION='shop.wsgi.application'
