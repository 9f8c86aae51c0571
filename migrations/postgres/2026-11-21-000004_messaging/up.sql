CREATE TABLE workspace (
  id text PRIMARY KEY,
  name text NOT NULL,
  created_by text NOT NULL REFERENCES "user" (id),
  created_at timestamp NOT NULL
);

-- A row stays when its person leaves (left_at), so that a member_no is never given to anybody else. The other tables name people by user_id.
CREATE TABLE workspace_member (
  id text PRIMARY KEY,
  workspace_id text NOT NULL REFERENCES workspace (id) ON DELETE CASCADE,
  user_id text NOT NULL REFERENCES "user" (id) ON DELETE CASCADE,
  role text NOT NULL CHECK (role IN ('owner', 'admin', 'member')),
  member_no integer NOT NULL,
  joined_at timestamp NOT NULL,
  joined_seq bigint NOT NULL DEFAULT 0,
  left_at timestamp,
  UNIQUE (workspace_id, user_id),
  UNIQUE (workspace_id, member_no)
);
CREATE INDEX workspace_member_user_id_idx ON workspace_member (user_id);

CREATE TABLE workspace_invitation (
  id text PRIMARY KEY,
  workspace_id text NOT NULL REFERENCES workspace (id) ON DELETE CASCADE,
  email text NOT NULL,
  status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'accepted', 'declined')),
  invited_by text NOT NULL REFERENCES "user" (id) ON DELETE CASCADE,
  created_at timestamp NOT NULL
);
CREATE INDEX workspace_invitation_workspace_id_idx ON workspace_invitation (workspace_id);
CREATE INDEX workspace_invitation_email_idx ON workspace_invitation (email);

CREATE TABLE workspace_invite_link (
  code text PRIMARY KEY,
  workspace_id text NOT NULL REFERENCES workspace (id) ON DELETE CASCADE,
  created_by text NOT NULL REFERENCES "user" (id) ON DELETE CASCADE,
  created_at timestamp NOT NULL,
  expires_at timestamp NOT NULL,
  max_uses integer,
  uses integer NOT NULL DEFAULT 0
);
CREATE INDEX workspace_invite_link_workspace_id_idx ON workspace_invite_link (workspace_id);

-- `no` comes from one series for the channels and conversations of a workspace.
CREATE TABLE channel (
  id text PRIMARY KEY,
  workspace_id text NOT NULL REFERENCES workspace (id) ON DELETE CASCADE,
  no integer NOT NULL,
  name text NOT NULL,
  private boolean NOT NULL,
  created_by text NOT NULL REFERENCES "user" (id),
  created_at timestamp NOT NULL,
  archived_at timestamp,
  UNIQUE (workspace_id, no)
);

CREATE TABLE channel_member (
  channel_id text NOT NULL REFERENCES channel (id) ON DELETE CASCADE,
  user_id text NOT NULL REFERENCES "user" (id) ON DELETE CASCADE,
  PRIMARY KEY (channel_id, user_id)
);
CREATE INDEX channel_member_user_id_idx ON channel_member (user_id);

CREATE TABLE conversation (
  id text PRIMARY KEY,
  workspace_id text NOT NULL REFERENCES workspace (id) ON DELETE CASCADE,
  no integer NOT NULL,
  created_at timestamp NOT NULL,
  UNIQUE (workspace_id, no)
);

CREATE TABLE conversation_participant (
  conversation_id text NOT NULL REFERENCES conversation (id) ON DELETE CASCADE,
  user_id text NOT NULL REFERENCES "user" (id) ON DELETE CASCADE,
  PRIMARY KEY (conversation_id, user_id)
);
CREATE INDEX conversation_participant_user_id_idx ON conversation_participant (user_id);

-- A deleted message keeps its row and so its place, without content. `search` has the words as they are, whatever the language.
CREATE TABLE message (
  id text PRIMARY KEY,
  workspace_id text NOT NULL,
  channel_id text REFERENCES channel (id) ON DELETE CASCADE,
  conversation_id text REFERENCES conversation (id) ON DELETE CASCADE,
  sequence bigint NOT NULL,
  author_id text NOT NULL REFERENCES "user" (id),
  content text NOT NULL,
  parent_id text,
  created_at timestamp NOT NULL,
  updated_at timestamp NOT NULL,
  deleted_at timestamp,
  search tsvector NOT NULL GENERATED ALWAYS AS (to_tsvector('simple', content)) STORED,
  CHECK ((channel_id IS NULL) <> (conversation_id IS NULL))
);
CREATE UNIQUE INDEX message_channel_id_sequence_idx ON message (channel_id, sequence) WHERE channel_id IS NOT NULL;
CREATE UNIQUE INDEX message_conversation_id_sequence_idx ON message (conversation_id, sequence) WHERE conversation_id IS NOT NULL;
CREATE INDEX message_search_idx ON message USING gin (search);

CREATE TABLE reaction (
  message_id text NOT NULL REFERENCES message (id) ON DELETE CASCADE,
  user_id text NOT NULL REFERENCES "user" (id) ON DELETE CASCADE,
  emoji text NOT NULL,
  created_at timestamp NOT NULL,
  PRIMARY KEY (message_id, user_id, emoji)
);

-- Up to which `sequence` somebody has read a channel or a conversation: `target_id` is the id of either.
CREATE TABLE read_state (
  workspace_id text NOT NULL REFERENCES workspace (id) ON DELETE CASCADE,
  target_type text NOT NULL CHECK (target_type IN ('channel', 'dm')),
  target_id text NOT NULL,
  user_id text NOT NULL REFERENCES "user" (id) ON DELETE CASCADE,
  sequence bigint NOT NULL,
  PRIMARY KEY (workspace_id, target_id, user_id)
) WITH (fillfactor = 50);

-- What a Socket.IO connection needs to go on after a restart, under the hash of its private id; used once.
CREATE TABLE socket_recovery (
  pid_hash text PRIMARY KEY,
  state bytea NOT NULL,
  expires_at timestamp NOT NULL
);
CREATE INDEX socket_recovery_expires_at_idx ON socket_recovery (expires_at);
