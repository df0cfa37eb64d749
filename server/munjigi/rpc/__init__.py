"""The gRPC services and their two fronts; the only room that sees protobuf and grpc."""
