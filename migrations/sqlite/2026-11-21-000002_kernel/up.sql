-- The journal of all rooms, and who may write it.
CREATE TABLE room_owner (
  room_id text PRIMARY KEY,
  node_id text,
  epoch bigint NOT NULL,
  head_seq bigint NOT NULL DEFAULT 0
);

CREATE TABLE room_event (
  room_id text NOT NULL,
  seq bigint NOT NULL,
  epoch bigint NOT NULL,
  user_id text,
  parts blob NOT NULL,
  created_at text NOT NULL,
  PRIMARY KEY (room_id, seq)
);

CREATE TABLE room_command (
  room_id text NOT NULL,
  user_id text NOT NULL,
  command_id text NOT NULL,
  hash blob NOT NULL,
  seq bigint NOT NULL,
  answer blob NOT NULL,
  created_at text NOT NULL,
  PRIMARY KEY (room_id, user_id, command_id)
);
CREATE INDEX room_command_created_at_idx ON room_command (created_at);

CREATE TABLE cluster_node (
  node_id text PRIMARY KEY,
  addr text NOT NULL,
  secret_hash text NOT NULL,
  state text NOT NULL,
  lease_until text NOT NULL
);
