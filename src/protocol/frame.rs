//! WebSocket frames (RFC 6455): an incremental decoder for what clients send, an encoder for what the server sends.
