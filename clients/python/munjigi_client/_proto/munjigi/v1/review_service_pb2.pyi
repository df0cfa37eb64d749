from munjigi_client._proto.munjigi.v1 import review_calls_pb2 as _review_calls_pb2
from google.protobuf import descriptor as _descriptor
from typing import ClassVar as _ClassVar

DESCRIPTOR: _descriptor.FileDescriptor
