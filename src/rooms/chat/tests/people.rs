use super::*;
use crate::protocol::ids::InvitationId;

fn invite(team: &mut Team, email: &str) -> InvitationId {
    team.done("adam", Command::Invite { email: email.to_owned() }).answer.invitation_id.expect("an id")
}

fn accept(invitation_id: &InvitationId, user: &str, email: &str) -> Command {
    Command::AcceptInvitation {
        invitation_id: invitation_id.clone(),
        user: user.into(),
        name: user.to_uppercase(),
        email: email.to_owned(),
    }
}

fn link(max_uses: Option<u32>, expires_at: i64) -> Command {
    Command::CreateInviteLink { code: "code".into(), expires_at: Timestamp::from_ms(expires_at), max_uses }
}

fn follow(user: &str) -> Command {
    Command::AcceptInviteLink { code: "code".into(), user: user.into(), name: user.to_uppercase() }
}

fn remove(user: &str) -> Command {
    Command::RemoveMember { user: user.into() }
}

fn role(user: &str, role: Role) -> Command {
    Command::SetRole { user: user.into(), role }
}

#[test]
fn an_invitation_is_for_its_address_and_for_once() {
    let mut team = Team::new();
    let id = invite(&mut team, "dora@example.org");
    let again = team.ask("olga", Command::Invite { email: "dora@example.org".into() });
    refused(again, ErrorCode::Conflict, "An invitation for this address is pending");
    refused(team.ask("eve", accept(&id, "eve", "eve@example.org")), ErrorCode::NotFound, "No such invitation");
    assert!(team.done("", accept(&id, "dora", "Dora@example.org")).changed);
    assert_eq!((team.member("dora").no, team.workspace.role(&team.member("dora"))), (MemberNo(5), "member"));
    assert_eq!(team.workspace.joined_seq(MemberNo(5)), team.seq);
    refused(team.ask("", accept(&id, "dora", "dora@example.org")), ErrorCode::NotFound, "No such invitation");
    let id = invite(&mut team, "eve@example.org");
    let decline = Command::DeclineInvitation { invitation_id: id, user: "eve".into(), email: "eve@example.org".into() };
    assert!(team.done("", decline.clone()).changed);
    refused(team.ask("", decline), ErrorCode::NotFound, "No such invitation");
    refused(
        team.ask("anna", Command::Invite { email: "x@x".into() }),
        ErrorCode::Forbidden,
        "Action 'member:invite' is restricted to the admins",
    );
}

#[test]
fn an_invite_link_ends_with_its_uses_and_its_time() {
    let mut team = Team::new();
    refused(team.ask("", follow("dora")), ErrorCode::NotFound, "No such invite link");
    team.done("olga", link(Some(1), i64::MAX));
    assert!(!team.done("anna", follow("anna")).changed, "a member uses nothing");
    assert!(team.done("", follow("dora")).changed);
    refused(team.ask("", follow("eve")), ErrorCode::Gone, "This invite link is used up or has expired");
    let mut team = Team::new();
    team.done("olga", link(None, 3_000));
    assert!(team.done("", follow("dora")).changed);
    refused(team.ask("", follow("eve")), ErrorCode::Gone, "This invite link is used up or has expired");
}

#[test]
fn an_admin_touches_no_owner_and_makes_none() {
    let mut team = Team::new();
    refused(team.ask("adam", remove("olga")), ErrorCode::Forbidden, "Action 'member:remove' is restricted to the owners");
    refused(team.ask("adam", role("olga", Role::Member)), ErrorCode::Forbidden, "Action 'member:role' is restricted to the owners");
    refused(team.ask("adam", role("adam", Role::Owner)), ErrorCode::Forbidden, "Action 'member:role' is restricted to the owners");
    refused(team.ask("anna", role("anna", Role::Admin)), ErrorCode::Forbidden, "Action 'member:role' is restricted to the admins");
    refused(team.ask("anna", remove("ben")), ErrorCode::Forbidden, "Action 'member:remove' is restricted to the admins");
    assert!(team.done("adam", role("anna", Role::Admin)).changed);
    assert!(!team.done("anna", role("anna", Role::Admin)).changed);
    assert!(team.member("anna").leads);
    assert!(team.done("anna", remove("adam")).changed);
}

#[test]
fn the_last_owner_neither_leaves_nor_steps_down() {
    let mut team = Team::new();
    refused(team.ask("olga", remove("olga")), ErrorCode::Conflict, "The last owner cannot leave the workspace");
    refused(team.ask("olga", role("olga", Role::Admin)), ErrorCode::Conflict, "The last owner stays the owner");
    team.done("olga", role("anna", Role::Owner));
    team.done("anna", role("olga", Role::Member));
    assert_eq!(team.workspace.role(&team.member("olga")), "member");
    assert!(team.done("olga", remove("olga")).changed);
}

#[test]
fn the_owner_renames_and_deletes() {
    let mut team = Team::new();
    refused(team.ask("adam", Command::DeleteWorkspace), ErrorCode::Forbidden, "Action 'workspace:delete' is restricted to the owner");
    let rename = Command::Rename { name: "New".into() };
    refused(team.ask("adam", rename.clone()), ErrorCode::Forbidden, "Action 'workspace:rename' is restricted to the owner");
    assert!(team.done("olga", rename.clone()).changed);
    assert!(!team.done("olga", rename).changed);
    assert_eq!(team.workspace.name(), "New");
    let done = team.done("olga", Command::DeleteWorkspace);
    assert_eq!(done.effects, Effects { rows: vec![Row::Deleted], closed: true, ..Effects::default() });
}

#[test]
fn a_removed_member_is_in_no_channel_and_hears_nothing_more() {
    let mut team = Team::new();
    let (channel, dm) = (team.public("anna", &["ben"]), team.conversation("anna", &["ben"]));
    let ben = team.member("ben");
    let done = team.done("olga", remove("ben"));
    assert_eq!(done.effects.removed, [UserId::new("ben")]);
    assert_eq!(kinds(&told(&done.effects.parts, &ben)), ["room:left", "room:left"]);
    assert_eq!(team.hearers(&done.effects.parts), [] as [&str; 0]);
    for target in [&channel, &dm] {
        let done = team.done("anna", send(target, "secret"));
        assert_eq!(told(&done.effects.parts, &ben), [] as [Value; 0]);
    }
    refused(team.ask("olga", remove("ben")), ErrorCode::NotFound, "No such member");
    team.done("olga", link(None, i64::MAX));
    team.done("", follow("ben"));
    assert_eq!(team.member("ben").no, ben.no, "a number is kept");
    refused(team.ask("ben", send(&channel, "x")), ErrorCode::Forbidden, "Join the channel first");
    assert_eq!(team.conversation("anna", &["ben"]), dm, "the people of a conversation do not change");
    let done = team.done("anna", send(&dm, "again"));
    assert_eq!(team.hearers(&done.effects.parts), ["anna", "ben"]);
}
