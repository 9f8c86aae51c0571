CREATE TABLE circle (
  id text PRIMARY KEY,
  name text NOT NULL,
  created_by text NOT NULL REFERENCES "user" (id),
  created_at text NOT NULL
);

-- A row stays when its person leaves (left_at), so that a member_no is never given to anybody else. The other tables name people by user_id.
CREATE TABLE circle_member (
  id text PRIMARY KEY,
  circle_id text NOT NULL REFERENCES circle (id) ON DELETE CASCADE,
  user_id text NOT NULL REFERENCES "user" (id) ON DELETE CASCADE,
  role text NOT NULL CHECK (role IN ('owner', 'member')),
  member_no integer NOT NULL,
  joined_at text NOT NULL,
  joined_seq bigint NOT NULL DEFAULT 0,
  left_at text,
  sharing boolean NOT NULL,
  sharing_until text,
  sharing_precision text NOT NULL CHECK (sharing_precision IN ('exact', 'approximate')),
  paused_from text,
  paused_until text,
  UNIQUE (circle_id, user_id),
  UNIQUE (circle_id, member_no)
);
CREATE INDEX circle_member_user_id_idx ON circle_member (user_id);

CREATE TABLE circle_invite (
  code text PRIMARY KEY,
  circle_id text NOT NULL REFERENCES circle (id) ON DELETE CASCADE,
  created_by text NOT NULL REFERENCES "user" (id) ON DELETE CASCADE,
  created_at text NOT NULL,
  expires_at text NOT NULL,
  used_by text REFERENCES "user" (id) ON DELETE SET NULL,
  used_at text
);
CREATE INDEX circle_invite_circle_id_idx ON circle_invite (circle_id);

-- A point is plain, or sealed: then only the members can read it, and it is the text that the device sent. The key also finds a member's points in
-- the order of their times, from either end.
CREATE TABLE location (
  circle_id text NOT NULL REFERENCES circle (id) ON DELETE CASCADE,
  user_id text NOT NULL REFERENCES "user" (id) ON DELETE CASCADE,
  measured_at text NOT NULL,
  device text NOT NULL,
  received_at text NOT NULL,
  latitude double precision,
  longitude double precision,
  accuracy double precision,
  altitude double precision,
  speed double precision,
  heading double precision,
  battery double precision,
  sealed text,
  PRIMARY KEY (circle_id, user_id, measured_at, device),
  CHECK ((sealed IS NULL) = (latitude IS NOT NULL AND longitude IS NOT NULL AND accuracy IS NOT NULL))
);
CREATE INDEX location_measured_at_idx ON location (measured_at, circle_id);

CREATE TABLE app_password (
  id text PRIMARY KEY,
  user_id text NOT NULL REFERENCES "user" (id) ON DELETE CASCADE,
  name text,
  hash text NOT NULL UNIQUE,
  created_at text NOT NULL,
  last_used_at text
);
CREATE INDEX app_password_user_id_idx ON app_password (user_id);
