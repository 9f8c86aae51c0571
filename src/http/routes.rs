//! The list of calls: each is declared once, with its handler and with the types of what it takes and gives.

use actix_web::http::Method;
use actix_web::web::{self, ServiceConfig};
use actix_web::{FromRequest, Handler, Responder, Route};
use schemars::{JsonSchema, Schema, SchemaGenerator};

use crate::http::no_such_call;

pub type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// What a call gives when it is done.
#[derive(Clone, Copy)]
pub struct Gives {
    pub status: u16,
    pub says: &'static str,
    /// The type of the content and its schema, if there is content.
    pub content: Option<(&'static str, Option<SchemaOf>)>,
}

/// A parameter of the query.
#[derive(Clone, Copy)]
pub struct Parameter {
    pub name: &'static str,
    pub says: &'static str,
    pub required: bool,
    /// Empty: any text; else these.
    pub choices: &'static [&'static str],
}

/// What the specification says of a call.
#[derive(Clone)]
pub struct Call {
    pub method: Method,
    pub path: &'static str,
    pub summary: &'static str,
    /// The resource that it belongs to.
    pub tag: &'static str,
    /// Whether it needs a session.
    pub session: bool,
    /// Whether an app password stands in for the session.
    pub app_password: bool,
    pub body: Option<SchemaOf>,
    /// The body is a file.
    pub file: bool,
    pub parameters: Vec<Parameter>,
    pub gives: Vec<Gives>,
    pub refusals: Vec<u16>,
}

impl Call {
    pub fn open(mut self) -> Self {
        self.session = false;
        self.refusals.clear();
        self
    }

    pub fn app_password(mut self) -> Self {
        self.app_password = true;
        self
    }

    pub fn takes<T: JsonSchema>(mut self) -> Self {
        self.body = Some(SchemaGenerator::subschema_for::<T>);
        self.refusals.extend([400, 413]);
        self
    }

    pub fn takes_file(mut self) -> Self {
        self.file = true;
        self.refusals.extend([400, 413]);
        self
    }

    pub fn gives<T: JsonSchema>(mut self, status: u16, says: &'static str) -> Self {
        self.gives.push(Gives { status, says, content: Some(("application/json", Some(SchemaGenerator::subschema_for::<T>))) });
        self
    }

    pub fn gives_file(mut self, content_type: &'static str, says: &'static str) -> Self {
        self.gives.push(Gives { status: 200, says, content: Some((content_type, None)) });
        self
    }

    pub fn gives_nothing(mut self, status: u16, says: &'static str) -> Self {
        self.gives.push(Gives { status, says, content: None });
        self
    }

    pub fn refuses(mut self, statuses: &[u16]) -> Self {
        self.refusals.extend(statuses);
        self
    }

    pub fn asks(mut self, name: &'static str, says: &'static str, choices: &'static [&'static str]) -> Self {
        self.parameters.push(Parameter { name, says, required: false, choices });
        self
    }

    pub fn requires(mut self, name: &'static str, says: &'static str, choices: &'static [&'static str]) -> Self {
        self.parameters.push(Parameter { name, says, required: true, choices });
        self
    }

    /// A list, in pages.
    pub fn pages(self) -> Self {
        self.refuses(&[400])
            .asks("limit", "Items of a page, 1 to 200; 200 when absent", &[])
            .asks("after", "The cursor that the page begins after", &[])
            .asks("before", "The cursor that the page ends before; alone, the page holds the last items before it", &[])
    }
}

#[derive(Default)]
pub struct Routes {
    calls: Vec<(Call, Route)>,
}

impl Routes {
    /// Declares a call that needs a session.
    pub fn call<F, Args>(
        &mut self,
        tag: &'static str,
        method: Method,
        path: &'static str,
        handler: F,
        summary: &'static str,
        describe: fn(Call) -> Call,
    ) where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let call = Call {
            method: method.clone(),
            path,
            summary,
            tag,
            session: true,
            app_password: false,
            body: None,
            file: false,
            parameters: Vec::new(),
            gives: Vec::new(),
            refusals: vec![401],
        };
        self.calls.push((describe(call), web::method(method).to(handler)));
    }

    pub fn described(&self) -> impl Iterator<Item = &Call> {
        self.calls.iter().map(|(call, _)| call)
    }

    /// Serves every call; another method on its path is answered like a path that there is not.
    pub fn mount(self, config: &mut ServiceConfig) {
        let mut resources: Vec<(&'static str, Vec<Route>)> = Vec::new();
        for (call, route) in self.calls {
            match resources.iter_mut().find(|(path, _)| *path == call.path) {
                Some((_, routes)) => routes.push(route),
                None => resources.push((call.path, vec![route])),
            }
        }
        for (path, routes) in resources {
            let resource = web::resource(path).default_service(web::to(no_such_call));
            config.service(routes.into_iter().fold(resource, |resource, route| resource.route(route)));
        }
    }
}
