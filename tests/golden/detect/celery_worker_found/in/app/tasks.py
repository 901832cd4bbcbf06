from celery import Celery
celery = Celery('app', broker='redis://localhost')
