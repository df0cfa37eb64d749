from munjigi_client._proto.munjigi.v1 import decision_pb2 as _decision_pb2
from munjigi_client._proto.munjigi.v1 import explain_pb2 as _explain_pb2
from munjigi_client._proto.munjigi.v1 import reach_pb2 as _reach_pb2
from google.protobuf import descriptor as _descriptor
from typing import ClassVar as _ClassVar

DESCRIPTOR: _descriptor.FileDescriptor
