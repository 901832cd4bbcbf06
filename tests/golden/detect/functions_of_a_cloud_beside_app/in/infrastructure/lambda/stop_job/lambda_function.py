import json
import os

import boto3


def lambda_handler(event, context):
    boto3.client("sagemaker").stop_processing_job(ProcessingJobName=os.environ["JOB"])
    return {"statusCode": 200, "body": json.dumps({})}
