use super::*;
use crate::protocol::ids::InvitationId;

fn invite(table: &mut Table, email: &str) -> InvitationId {
    let done = table.ask("dm", Command::Invite { email: email.to_owned() }).expect("invited");
    done.answer.invitation_id.expect("an id")
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

#[test]
fn an_invitation_is_for_its_address_and_for_once() {
    let mut table = Table::new();
    let id = invite(&mut table, "dora@example.org");
    let again = table.ask("dm", Command::Invite { email: "dora@example.org".into() });
    refused(again, ErrorCode::Conflict, "An invitation for this address is pending");
    refused(table.ask("eve", accept(&id, "eve", "eve@example.org")), ErrorCode::NotFound, "No such invitation");
    assert!(table.ask("", accept(&id, "dora", "Dora@example.org")).expect("accepted").changed);
    assert_eq!((table.member("dora").no, table.member("dora").leads), (MemberNo(4), false));
    refused(table.ask("", accept(&id, "dora", "dora@example.org")), ErrorCode::NotFound, "No such invitation");
    invite(&mut table, "dora@example.org");
}

#[test]
fn a_declined_invitation_is_gone() {
    let mut table = Table::new();
    let id = invite(&mut table, "dora@example.org");
    let decline = Command::DeclineInvitation { invitation_id: id.clone(), user: "dora".into(), email: "dora@example.org".into() };
    assert!(table.ask("", decline.clone()).expect("declined").changed);
    refused(table.ask("", decline), ErrorCode::NotFound, "No such invitation");
    assert_eq!(table.stored.invitations, []);
}

#[test]
fn an_invite_link_ends_with_its_uses_and_its_time() {
    let mut table = Table::new();
    refused(table.ask("", follow("dora")), ErrorCode::NotFound, "No such invite link");
    table.ask("dm", link(Some(1), i64::MAX)).expect("a link");
    assert!(!table.ask("anna", follow("anna")).expect("a member").changed, "a member uses nothing");
    assert!(table.ask("", follow("dora")).expect("joins").changed);
    refused(table.ask("", follow("eve")), ErrorCode::Gone, "This invite link is used up or has expired");
    assert!(!table.ask("dora", follow("dora")).expect("a member").changed);

    let mut table = Table::new();
    table.ask("dm", link(None, 3_000)).expect("a link");
    assert!(table.ask("", follow("dora")).expect("joins").changed);
    refused(table.ask("", follow("eve")), ErrorCode::Gone, "This invite link is used up or has expired");
    refused(table.ask("anna", link(None, 0)), ErrorCode::Forbidden, "Action 'inviteLink:create' is restricted to the DM");
}

#[test]
fn a_removed_member_loses_hexes_and_tokens_and_hears_nothing() {
    let mut table = Table::new();
    table.done("dm", reveal(&["0,0"], to(&["anna"])));
    table.done("dm", reveal(&["1,1"], to(&["anna", "ben"])));
    table.done("dm", reveal(&["2,2"], json!("all")));
    table.done("dm", hide(&["2,2"], to(&["anna"])));
    let id = table.done("dm", owned("1,1", "anna")).answer.token_id.expect("an id");
    let anna = table.member("anna");
    refused(
        table.ask("ben", Command::RemoveMember { user: "anna".into() }),
        ErrorCode::Forbidden,
        "Action 'member:remove' is restricted to the DM",
    );
    let done = table.ask("dm", Command::RemoveMember { user: "anna".into() }).expect("removed");
    assert_eq!(done.effects.removed, [UserId::new("anna")]);
    assert_eq!(done.told(&anna), [] as [Value; 0]);
    let disowned = json!({"type": "token:updated", "tokenId": id, "updates": {"ownerId": null}});
    assert_eq!(
        table.heard(&done),
        [
            (
                "dm".to_owned(),
                vec![json!({"type": "hex:hidden", "hexKeys": ["0,0", "1,1"], "targets": {"playerIds": ["anna"]}}), disowned.clone()]
            ),
            ("ben".to_owned(), vec![disowned]),
        ]
    );
    assert_eq!(table.view("dm")[0]["visibility"], json!({"1,1": ["ben"], "2,2": {"except": ["anna"]}}));
    refused(table.ask("dm", Command::RemoveMember { user: "anna".into() }), ErrorCode::NotFound, "No such member");

    table.ask("dm", link(None, i64::MAX)).expect("a link");
    table.ask("", follow("anna")).expect("joins again");
    assert_eq!(table.member("anna").no, anna.no, "a number is kept");
    assert_eq!(table.view("anna")[0]["revealedHexes"], json!([]), "and so is the exception");
}

#[test]
fn the_last_dm_cannot_leave_and_only_the_owner_deletes() {
    let mut table = Table::new();
    let leave = table.ask("dm", Command::RemoveMember { user: "dm".into() });
    refused(leave, ErrorCode::Conflict, "The last DM cannot leave the campaign");
    refused(table.ask("anna", Command::DeleteCampaign {}), ErrorCode::Forbidden, "Action 'campaign:delete' is restricted to the owner");
    let done = table.ask("dm", Command::DeleteCampaign {}).expect("deleted");
    assert_eq!(done.effects, Effects { rows: vec![Row::Deleted], closed: true, ..Effects::default() });
}

#[test]
fn a_member_who_joined_has_the_seq_of_it() {
    let mut table = Table::new();
    table.ask("dm", link(None, i64::MAX)).expect("a link");
    table.ask("", follow("dora")).expect("joins");
    assert_eq!(table.campaign.joined_seq(table.member("dora").no), table.seq);
    let names: Vec<_> = table.campaign.members().into_iter().map(|member| member.user.to_string()).collect();
    assert_eq!(names, ["dm", "anna", "ben", "cleo", "dora"]);
}
