//! How the small values of a circle stand in its columns.

use diesel::result::Error;

use crate::protocol::circle::command::{Precision, Role};
use crate::rooms::kernel::MemberNo;

/// A column holds what its type does not allow. The value itself is not told: it may be where somebody is.
pub(super) fn invalid(column: &'static str) -> Error {
    Error::DeserializationError(format!("{column} holds an invalid value").into())
}

pub(in crate::store) fn role_label(role: Role) -> &'static str {
    match role {
        Role::Owner => "owner",
        Role::Member => "member",
    }
}

pub(in crate::store) fn role(label: &str) -> Result<Role, Error> {
    match label {
        "owner" => Ok(Role::Owner),
        "member" => Ok(Role::Member),
        _ => Err(invalid("circle_member.role")),
    }
}

pub(super) fn precision_label(precision: Precision) -> &'static str {
    match precision {
        Precision::Exact => "exact",
        Precision::Approximate => "approximate",
    }
}

pub(super) fn precision(label: &str) -> Result<Precision, Error> {
    match label {
        "exact" => Ok(Precision::Exact),
        "approximate" => Ok(Precision::Approximate),
        _ => Err(invalid("circle_member.sharing_precision")),
    }
}

pub(super) fn number(no: MemberNo) -> i32 {
    no.0.try_into().expect("a circle has few members")
}

pub(super) fn member_no(column: i32) -> Result<MemberNo, Error> {
    Ok(MemberNo(column.try_into().map_err(|_| invalid("circle_member.member_no"))?))
}
