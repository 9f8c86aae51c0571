//! The tables of both databases, by hand: `diesel print-schema` would give each database's own types.

diesel::table! {
    use diesel::sql_types::*;
    use crate::store::types::*;
    user (id) { id -> Text, name -> Text, email -> Text, email_verified -> Bool, image -> Nullable<Text>, created_at -> Instant, updated_at -> Instant }
}
diesel::table! {
    use diesel::sql_types::*;
    use crate::store::types::*;
    session (id) { id -> Text, expires_at -> Instant, token -> Text, created_at -> Instant, updated_at -> Instant, ip_address -> Nullable<Text>, user_agent -> Nullable<Text>, user_id -> Text }
}
diesel::table! {
    use diesel::sql_types::*;
    use crate::store::types::*;
    account (id) {
        id -> Text, account_id -> Text, provider_id -> Text, user_id -> Text, access_token -> Nullable<Text>, refresh_token -> Nullable<Text>,
        id_token -> Nullable<Text>, access_token_expires_at -> Nullable<Instant>, refresh_token_expires_at -> Nullable<Instant>,
        scope -> Nullable<Text>, password -> Nullable<Text>, created_at -> Instant, updated_at -> Instant,
    }
}
diesel::table! {
    use diesel::sql_types::*;
    use crate::store::types::*;
    verification (id) { id -> Text, identifier -> Text, value -> Text, expires_at -> Instant, created_at -> Instant, updated_at -> Instant }
}

diesel::table! {
    use diesel::sql_types::*;
    room_owner (room_id) { room_id -> Text, node_id -> Nullable<Text>, epoch -> BigInt, head_seq -> BigInt }
}
diesel::table! {
    use diesel::sql_types::*;
    use crate::store::types::*;
    room_event (room_id, seq) { room_id -> Text, seq -> BigInt, epoch -> BigInt, user_id -> Nullable<Text>, parts -> Binary, created_at -> Instant }
}
diesel::table! {
    use diesel::sql_types::*;
    use crate::store::types::*;
    room_command (room_id, user_id, command_id) { room_id -> Text, user_id -> Text, command_id -> Text, hash -> Binary, seq -> BigInt, answer -> Binary, created_at -> Instant }
}
diesel::table! {
    use diesel::sql_types::*;
    use crate::store::types::*;
    cluster_node (node_id) { node_id -> Text, addr -> Text, secret_hash -> Text, state -> Text, lease_until -> Instant }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::store::types::*;
    campaign (id) { id -> Text, name -> Text, owner_id -> Text, broadcast_mode -> Text, grid_width -> Integer, grid_height -> Integer, created_at -> Instant }
}
diesel::table! {
    use diesel::sql_types::*;
    use crate::store::types::*;
    campaign_member (id) {
        id -> Text, campaign_id -> Text, user_id -> Text, role -> Text, member_no -> Integer, joined_at -> Instant, joined_seq -> BigInt,
        left_at -> Nullable<Instant>,
    }
}
diesel::table! {
    use diesel::sql_types::*;
    use crate::store::types::*;
    invitation (id) { id -> Text, campaign_id -> Text, email -> Text, status -> Text, invited_by -> Text, created_at -> Instant }
}
diesel::table! {
    use diesel::sql_types::*;
    use crate::store::types::*;
    invite_link (code) { code -> Text, campaign_id -> Text, created_by -> Text, created_at -> Instant, expires_at -> Instant, max_uses -> Nullable<Integer>, uses -> Integer }
}
diesel::table! {
    use diesel::sql_types::*;
    campaign_hex (campaign_id, hex_q, hex_r) { campaign_id -> Text, #[sql_name = "q"] hex_q -> Integer, #[sql_name = "r"] hex_r -> Integer, terrain -> Text, variant -> Integer }
}
diesel::table! {
    use diesel::sql_types::*;
    hex_visibility (campaign_id, hex_q, hex_r) { campaign_id -> Text, #[sql_name = "q"] hex_q -> Integer, #[sql_name = "r"] hex_r -> Integer, everyone -> Bool, members -> Binary }
}
diesel::table! {
    use diesel::sql_types::*;
    campaign_token (id) {
        id -> Text, campaign_id -> Text, #[sql_name = "q"] hex_q -> Integer, #[sql_name = "r"] hex_r -> Integer, owner_id -> Nullable<Text>, label -> Text, icon -> Text, color -> Text,
        token_type -> Text, visible -> Bool,
    }
}
diesel::table! {
    use diesel::sql_types::*;
    staged_change (id) { id -> Text, campaign_id -> Text, position -> BigInt, user_id -> Text, command -> Text, fresh -> Text }
}
diesel::table! {
    use diesel::sql_types::*;
    use crate::store::types::*;
    game_session (id) { id -> Text, campaign_id -> Text, started_by -> Text, status -> SessionStatusType, started_at -> Instant, ended_at -> Nullable<Instant> }
}
diesel::table! {
    use diesel::sql_types::*;
    use crate::store::types::*;
    session_event (id) {
        id -> Text, session_id -> Text, event_type -> SessionEventType, user_id -> Nullable<Text>, payload -> Document, created_at -> Instant,
        seq -> BigInt, shown -> Nullable<Text>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::store::types::*;
    workspace (id) { id -> Text, name -> Text, created_by -> Text, created_at -> Instant }
}
diesel::table! {
    use diesel::sql_types::*;
    use crate::store::types::*;
    workspace_member (id) {
        id -> Text, workspace_id -> Text, user_id -> Text, role -> Text, member_no -> Integer, joined_at -> Instant, joined_seq -> BigInt,
        left_at -> Nullable<Instant>,
    }
}
diesel::table! {
    use diesel::sql_types::*;
    use crate::store::types::*;
    workspace_invitation (id) { id -> Text, workspace_id -> Text, email -> Text, status -> Text, invited_by -> Text, created_at -> Instant }
}
diesel::table! {
    use diesel::sql_types::*;
    use crate::store::types::*;
    workspace_invite_link (code) { code -> Text, workspace_id -> Text, created_by -> Text, created_at -> Instant, expires_at -> Instant, max_uses -> Nullable<Integer>, uses -> Integer }
}
diesel::table! {
    use diesel::sql_types::*;
    use crate::store::types::*;
    channel (id) {
        id -> Text, workspace_id -> Text, no -> Integer, name -> Text, private -> Bool, created_by -> Text, created_at -> Instant,
        archived_at -> Nullable<Instant>,
    }
}
diesel::table! {
    use diesel::sql_types::*;
    channel_member (channel_id, user_id) { channel_id -> Text, user_id -> Text }
}
diesel::table! {
    use diesel::sql_types::*;
    use crate::store::types::*;
    conversation (id) { id -> Text, workspace_id -> Text, no -> Integer, created_at -> Instant }
}
diesel::table! {
    use diesel::sql_types::*;
    conversation_participant (conversation_id, user_id) { conversation_id -> Text, user_id -> Text }
}
diesel::table! {
    use diesel::sql_types::*;
    use crate::store::types::*;
    /// Without what the search is made of: PostgreSQL's column `search`, SQLite's column `row_no` and table `message_fts`.
    message (id) {
        id -> Text, workspace_id -> Text, channel_id -> Nullable<Text>, conversation_id -> Nullable<Text>, sequence -> BigInt, author_id -> Text,
        content -> Text, parent_id -> Nullable<Text>, created_at -> Instant, updated_at -> Instant, deleted_at -> Nullable<Instant>,
    }
}
diesel::table! {
    use diesel::sql_types::*;
    use crate::store::types::*;
    reaction (message_id, user_id, emoji) { message_id -> Text, user_id -> Text, emoji -> Text, created_at -> Instant }
}
diesel::table! {
    use diesel::sql_types::*;
    read_state (workspace_id, target_id, user_id) { workspace_id -> Text, target_type -> Text, target_id -> Text, user_id -> Text, sequence -> BigInt }
}
diesel::table! {
    use diesel::sql_types::*;
    use crate::store::types::*;
    socket_recovery (pid_hash) { pid_hash -> Text, state -> Binary, expires_at -> Instant }
}
diesel::table! {
    use diesel::sql_types::*;
    use crate::store::types::*;
    circle (id) { id -> Text, name -> Text, created_by -> Text, created_at -> Instant }
}
diesel::table! {
    use diesel::sql_types::*;
    use crate::store::types::*;
    circle_member (id) {
        id -> Text, circle_id -> Text, user_id -> Text, role -> Text, member_no -> Integer, joined_at -> Instant, joined_seq -> BigInt,
        left_at -> Nullable<Instant>, sharing -> Bool, sharing_until -> Nullable<Instant>, sharing_precision -> Text,
        paused_from -> Nullable<Instant>, paused_until -> Nullable<Instant>,
    }
}
diesel::table! {
    use diesel::sql_types::*;
    use crate::store::types::*;
    circle_invite (code) {
        code -> Text, circle_id -> Text, created_by -> Text, created_at -> Instant, expires_at -> Instant, used_by -> Nullable<Text>,
        used_at -> Nullable<Instant>,
    }
}
diesel::table! {
    use diesel::sql_types::*;
    use crate::store::types::*;
    location (circle_id, user_id, measured_at, device) {
        circle_id -> Text, user_id -> Text, measured_at -> Instant, device -> Text, received_at -> Instant, latitude -> Nullable<Double>,
        longitude -> Nullable<Double>, accuracy -> Nullable<Double>, altitude -> Nullable<Double>, speed -> Nullable<Double>,
        heading -> Nullable<Double>, battery -> Nullable<Double>, sealed -> Nullable<Text>,
    }
}
diesel::table! {
    use diesel::sql_types::*;
    use crate::store::types::*;
    app_password (id) {
        id -> Text, user_id -> Text, name -> Nullable<Text>, hash -> Text, created_at -> Instant, last_used_at -> Nullable<Instant>,
    }
}

diesel::joinable!(session -> user (user_id));
diesel::joinable!(account -> user (user_id));
diesel::joinable!(campaign_member -> campaign (campaign_id));
diesel::joinable!(campaign_member -> user (user_id));
diesel::joinable!(invitation -> campaign (campaign_id));
diesel::joinable!(session_event -> game_session (session_id));
diesel::joinable!(game_session -> campaign (campaign_id));
diesel::joinable!(workspace_member -> workspace (workspace_id));
diesel::joinable!(workspace_member -> user (user_id));
diesel::joinable!(workspace_invitation -> workspace (workspace_id));
diesel::joinable!(channel -> workspace (workspace_id));
diesel::joinable!(channel_member -> channel (channel_id));
diesel::joinable!(channel_member -> user (user_id));
diesel::joinable!(conversation -> workspace (workspace_id));
diesel::joinable!(conversation_participant -> conversation (conversation_id));
diesel::joinable!(conversation_participant -> user (user_id));
diesel::joinable!(message -> channel (channel_id));
diesel::joinable!(message -> conversation (conversation_id));
diesel::joinable!(message -> user (author_id));
diesel::joinable!(reaction -> message (message_id));
diesel::joinable!(reaction -> user (user_id));
diesel::joinable!(circle_member -> circle (circle_id));
diesel::joinable!(circle_member -> user (user_id));
diesel::joinable!(circle_invite -> circle (circle_id));
diesel::joinable!(location -> circle (circle_id));
diesel::joinable!(location -> user (user_id));
diesel::joinable!(app_password -> user (user_id));

diesel::allow_tables_to_appear_in_same_query!(
    user,
    session,
    account,
    verification,
    room_owner,
    room_event,
    room_command,
    cluster_node,
    campaign,
    campaign_member,
    invitation,
    invite_link,
    campaign_hex,
    hex_visibility,
    campaign_token,
    staged_change,
    game_session,
    session_event,
    workspace,
    workspace_member,
    workspace_invitation,
    workspace_invite_link,
    channel,
    channel_member,
    conversation,
    conversation_participant,
    message,
    reaction,
    read_state,
    socket_recovery,
    circle,
    circle_member,
    circle_invite,
    location,
    app_password,
);
