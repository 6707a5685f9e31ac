"""An S3 server for tests: Moto's, which checks signatures and keeps versions. Ends when its standard input does.

Prints one line of JSON: the endpoint, a bucket with versions, and a key that may use it.
"""

import json
import os
import sys

# Making a user, a key and a policy; everything behind that has to be signed and allowed.
os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = "3"

import boto3  # noqa: E402
from moto.server import ThreadedMotoServer  # noqa: E402

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
endpoint = f"http://{host}:{port}"


def client(service, key, secret):
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name="eu-central-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
    )


iam = client("iam", "nobody", "nothing")
iam.create_user(UserName="hourbook")
made = iam.create_access_key(UserName="hourbook")["AccessKey"]
allowed = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
policy = {"Version": "2012-10-17", "Statement": [allowed]}
iam.put_user_policy(UserName="hourbook", PolicyName="all", PolicyDocument=json.dumps(policy))
s3 = client("s3", made["AccessKeyId"], made["SecretAccessKey"])
s3.create_bucket(Bucket="backups", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
s3.put_bucket_versioning(Bucket="backups", VersioningConfiguration={"Status": "Enabled"})
print(
    json.dumps(
        {"endpoint": endpoint, "bucket": "backups", "id": made["AccessKeyId"], "secret": made["SecretAccessKey"]}
    ),
    flush=True,
)
sys.stdin.read()
server.stop()
