"""An AWS client that uses a profile, and an endpoint that checks its signatures.

endpoint SECONDS [VAULT]: prints its port, and answers as STS does. It accepts a request if botocore's own signer makes
the same signature with the access key's secret, and if the key is at most SECONDS old. For a web identity that the server
at VAULT confirms, it makes a key.
client URL KEYS: sends requests with one boto3 client until it has signed with KEYS different keys; prints the keys.
"""

import http.server
import json
import os
import sys
import time
import urllib.parse
import urllib.request

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from waiting import within

ANSWER = """<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
<Arn>arn:aws:iam::1:user/{0}</Arn><UserId>{0}</UserId><Account>1</Account></GetCallerIdentityResult>
<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></GetCallerIdentityResponse>"""


KEY = """<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>{0}</AccessKeyId><SecretAccessKey>secret/+of-{0}</SecretAccessKey>
<SessionToken>token-of-{0}</SessionToken><Expiration>{1}</Expiration></Credentials></AssumeRoleWithWebIdentityResult>
<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></AssumeRoleWithWebIdentityResponse>"""


def is_valid(token):
    body = json.dumps({"token": token}).encode()
    request = urllib.request.Request(f"{sys.argv[3]}/v1/identity/oidc/introspect", body, {"X-Vault-Token": "root"})
    return json.load(urllib.request.urlopen(request))["active"]


class Endpoint(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        form = urllib.parse.parse_qs(body.decode())
        if form["Action"] == ["AssumeRoleWithWebIdentity"]:
            end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + float(sys.argv[2])))
            key = KEY.format(f"AK{int(time.time() * 1000)}", end)
            return self.answer(key if is_valid(form["WebIdentityToken"][0]) else "<no>not valid</no>")
        parts = dict(part.strip().split("=", 1) for part in self.headers["Authorization"].split(" ", 1)[1].split(","))
        access, _, region, service, _ = parts["Credential"].split("/")
        signed = {name: self.headers[name] for name in parts["SignedHeaders"].split(";")}
        request = AWSRequest(self.command, f"http://{self.headers['Host']}{self.path}", signed, body)
        request.context["timestamp"] = self.headers["X-Amz-Date"]
        signer = SigV4Auth(Credentials(access, f"secret/+of-{access}", f"token-of-{access}"), service, region)
        signature = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
        age = time.time() - int(access.removeprefix("AK")) / 1000
        right = signature == parts["Signature"] and self.headers["X-Amz-Security-Token"] == f"token-of-{access}"
        self.answer(ANSWER.format(access) if right and age < float(sys.argv[2]) else f"<no>{right} {age}</no>")

    def answer(self, text):
        self.send_response(403 if text.startswith("<no>") else 200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


if sys.argv[1] == "endpoint":
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    print(server.server_port, flush=True)
    server.serve_forever()
else:
    import boto3

    client = boto3.client("sts", region_name="us-east-1", endpoint_url=sys.argv[2])
    keys = []

    def are_enough():
        key = client.get_caller_identity()["UserId"]
        if key not in keys:
            keys.append(key)
        return len(keys) >= int(sys.argv[3])

    within(100, are_enough, 0.2)
    print(json.dumps({"keys": keys, "plain": sorted(name for name in os.environ if name.startswith("AWS_"))}))
