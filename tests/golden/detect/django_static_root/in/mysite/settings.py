import os
SECRET_KEY = os.environ['SECRET_KEY']
ALLOWED_HOSTS = ['example.com']
STATIC_ROOT = 'staticfiles'
DATABASES = {'default': {'ENGINE': 'django.db.backends.postgresql'}}
