CREATE TYPE session_status AS ENUM ('active', 'paused', 'ended');
CREATE TYPE session_event_type AS ENUM (
  'session_start', 'session_pause', 'session_resume', 'session_end',
  'hex_reveal', 'hex_update', 'player_join', 'player_leave', 'token_move',
  'hex_hide', 'token_create', 'token_update', 'token_delete', 'broadcast_mode'
);

CREATE TABLE campaign (
  id text PRIMARY KEY,
  name text NOT NULL,
  owner_id text NOT NULL REFERENCES "user" (id) ON DELETE CASCADE,
  broadcast_mode text NOT NULL DEFAULT 'immediate' CHECK (broadcast_mode IN ('immediate', 'staged')),
  grid_width integer NOT NULL DEFAULT 0,
  grid_height integer NOT NULL DEFAULT 0,
  created_at timestamp NOT NULL
);
CREATE INDEX campaign_owner_id_idx ON campaign (owner_id);

-- A row stays when its person leaves (left_at), so that a member_no is never given to anybody else.
CREATE TABLE campaign_member (
  id text PRIMARY KEY,
  campaign_id text NOT NULL REFERENCES campaign (id) ON DELETE CASCADE,
  user_id text NOT NULL REFERENCES "user" (id) ON DELETE CASCADE,
  role text NOT NULL CHECK (role IN ('dm', 'player')),
  member_no integer NOT NULL,
  joined_at timestamp NOT NULL,
  joined_seq bigint NOT NULL DEFAULT 0,
  left_at timestamp,
  UNIQUE (campaign_id, user_id),
  UNIQUE (campaign_id, member_no)
);
CREATE INDEX campaign_member_user_id_idx ON campaign_member (user_id);

CREATE TABLE invitation (
  id text PRIMARY KEY,
  campaign_id text NOT NULL REFERENCES campaign (id) ON DELETE CASCADE,
  email text NOT NULL,
  status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'accepted', 'declined')),
  invited_by text NOT NULL REFERENCES "user" (id) ON DELETE CASCADE,
  created_at timestamp NOT NULL
);
CREATE INDEX invitation_campaign_id_idx ON invitation (campaign_id);
CREATE INDEX invitation_email_idx ON invitation (email);

CREATE TABLE invite_link (
  code text PRIMARY KEY,
  campaign_id text NOT NULL REFERENCES campaign (id) ON DELETE CASCADE,
  created_by text NOT NULL REFERENCES "user" (id) ON DELETE CASCADE,
  created_at timestamp NOT NULL,
  expires_at timestamp NOT NULL,
  max_uses integer,
  uses integer NOT NULL DEFAULT 0
);
CREATE INDEX invite_link_campaign_id_idx ON invite_link (campaign_id);

CREATE TABLE campaign_hex (
  campaign_id text NOT NULL REFERENCES campaign (id) ON DELETE CASCADE,
  q integer NOT NULL,
  r integer NOT NULL,
  terrain text NOT NULL,
  variant integer NOT NULL DEFAULT 0,
  PRIMARY KEY (campaign_id, q, r)
);

-- Who sees a hex: everyone but `members`, or just `members`; a set of member numbers as little-endian bits.
CREATE TABLE hex_visibility (
  campaign_id text NOT NULL REFERENCES campaign (id) ON DELETE CASCADE,
  q integer NOT NULL,
  r integer NOT NULL,
  everyone boolean NOT NULL,
  members bytea NOT NULL,
  PRIMARY KEY (campaign_id, q, r)
);

CREATE TABLE campaign_token (
  id text PRIMARY KEY,
  campaign_id text NOT NULL REFERENCES campaign (id) ON DELETE CASCADE,
  q integer NOT NULL,
  r integer NOT NULL,
  owner_id text REFERENCES "user" (id) ON DELETE SET NULL,
  label text NOT NULL,
  icon text NOT NULL,
  color text NOT NULL,
  token_type text NOT NULL CHECK (token_type IN ('pc', 'npc')),
  visible boolean NOT NULL
);
CREATE INDEX campaign_token_campaign_id_idx ON campaign_token (campaign_id);

-- `position` orders the queue; `command` is the DM's command as JSON text, decided again when it is published.
CREATE TABLE staged_change (
  id text PRIMARY KEY,
  campaign_id text NOT NULL REFERENCES campaign (id) ON DELETE CASCADE,
  position bigint NOT NULL,
  user_id text NOT NULL,
  command text NOT NULL,
  fresh text NOT NULL
);
CREATE INDEX staged_change_campaign_id_idx ON staged_change (campaign_id, position);

CREATE TABLE game_session (
  id text PRIMARY KEY,
  campaign_id text NOT NULL REFERENCES campaign (id) ON DELETE CASCADE,
  started_by text NOT NULL REFERENCES "user" (id),
  status session_status NOT NULL DEFAULT 'active',
  started_at timestamp NOT NULL DEFAULT (now() AT TIME ZONE 'utc'),
  ended_at timestamp
);
CREATE INDEX game_session_campaign_id_idx ON game_session (campaign_id, started_at);

-- `shown` tells which players were shown which hexes of the payload; null when everybody may read the row.
CREATE TABLE session_event (
  id text PRIMARY KEY,
  session_id text NOT NULL REFERENCES game_session (id) ON DELETE CASCADE,
  event_type session_event_type NOT NULL,
  user_id text REFERENCES "user" (id) ON DELETE SET NULL,
  payload jsonb NOT NULL,
  created_at timestamp NOT NULL DEFAULT (now() AT TIME ZONE 'utc'),
  seq bigint NOT NULL,
  shown text
);
CREATE INDEX session_event_session_id_idx ON session_event (session_id, seq);
CREATE INDEX session_event_created_at_idx ON session_event (created_at);
