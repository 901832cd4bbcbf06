from celery import Celery
import os
app = Celery('tasks', broker=os.environ['REDIS_URL'])
