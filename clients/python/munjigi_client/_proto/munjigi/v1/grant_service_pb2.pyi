from munjigi_client._proto.munjigi.v1 import access_request_pb2 as _access_request_pb2
from munjigi_client._proto.munjigi.v1 import grant_pb2 as _grant_pb2
from munjigi_client._proto.munjigi.v1 import people_pb2 as _people_pb2
from munjigi_client._proto.munjigi.v1 import revocation_pb2 as _revocation_pb2
from google.protobuf import descriptor as _descriptor
from typing import ClassVar as _ClassVar

DESCRIPTOR: _descriptor.FileDescriptor
