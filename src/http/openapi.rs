//! `/api/openapi.json`: OpenAPI 3.1 of every call in [`all_routes`], with the schemas of the types that are read and written.

use std::sync::OnceLock;

use actix_web::HttpResponse;
use actix_web::http::Method;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::Bytes;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::http::all_routes;
use crate::http::refusal::ErrorBody;
use crate::http::routes::{Call, Parameter, Routes};

pub fn routes(routes: &mut Routes) {
    routes.call("specifications", Method::GET, "/api/openapi.json", serve, "This document", |call| {
        call.open().gives_file("application/json", "OpenAPI 3.1")
    });
}

async fn serve() -> HttpResponse {
    static TEXT: OnceLock<Bytes> = OnceLock::new();
    let text = TEXT.get_or_init(|| Bytes::from(document().to_string()));
    HttpResponse::Ok().insert_header((CONTENT_TYPE, "application/json")).body(text.clone())
}

/// A generator whose references are those of a document with `components`.
fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12()
        .with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        })
        .into_generator()
}

pub fn document() -> Value {
    let mut generator = generator();
    let error = generator.subschema_for::<ErrorBody>();
    let mut paths: Map<String, Value> = Map::new();
    for call in all_routes().described() {
        let path = paths.entry(call.path).or_insert_with(|| json!({}));
        path[call.method.as_str().to_lowercase()] = operation(call, &mut generator, error.as_value());
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "moothall",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Sessions are made under /api/auth, which speaks the HTTP API of Better Auth.",
            "license": {"name": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "The token of a session"},
                "appPassword": {"type": "http", "scheme": "basic", "description": "An e-mail address and an app password"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": "better-auth.session_token"},
            },
        },
    })
}

fn operation(call: &Call, generator: &mut SchemaGenerator, error: &Value) -> Value {
    let mut responses = Map::new();
    for gives in &call.gives {
        let mut response = json!({"description": gives.says});
        if let Some((content_type, schema)) = gives.content {
            let schema = schema.map_or_else(|| json!({}), |schema| schema(generator).to_value());
            response["content"] = json!({content_type: {"schema": schema}});
        }
        responses.insert(gives.status.to_string(), response);
    }
    for status in &call.refusals {
        let refusal = || json!({"description": meaning(*status), "content": {"application/json": {"schema": error}}});
        responses.entry(status.to_string()).or_insert_with(refusal);
    }
    let mut operation = json!({
        "operationId": operation_id(call),
        "summary": call.summary,
        "tags": [call.tag],
        "responses": responses,
        "security": match (call.session, call.app_password) {
            (false, _) => json!([]),
            (true, false) => json!([{"bearer": []}, {"cookie": []}]),
            (true, true) => json!([{"appPassword": []}]),
        },
    });
    let in_path =
        path_parameters(call.path).map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}));
    let parameters: Vec<Value> = in_path.chain(call.parameters.iter().map(query_parameter)).collect();
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    if let Some(body) = call.body {
        operation["requestBody"] = json!({"required": true, "content": {"application/json": {"schema": body(generator)}}});
    }
    if call.file {
        operation["requestBody"] = json!({"required": true, "content": {"application/octet-stream": {"schema": {}}}});
    }
    operation
}

/// `get /api/campaigns/{id}/map` is `getCampaignsIdMap`.
fn operation_id(call: &Call) -> String {
    let words = call.path.trim_start_matches("/api").split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
    call.method.as_str().to_lowercase() + &words.map(capital).collect::<String>()
}

pub(super) fn path_parameters(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

fn query_parameter(parameter: &Parameter) -> Value {
    let schema = match parameter.choices {
        [] => json!({"type": "string"}),
        choices => json!({"type": "string", "enum": choices}),
    };
    json!({"name": parameter.name, "in": "query", "required": parameter.required, "description": parameter.says, "schema": schema})
}

fn meaning(status: u16) -> &'static str {
    match status {
        400 => "The request is not well formed: BAD_JSON, BAD_MESSAGE",
        401 => "No valid session",
        403 => "The caller may not do this",
        404 => "There is no such thing, or none that the caller may know of",
        409 => "The state of things is against it",
        410 => "It was there and is used up, expired or answered",
        413 => "Too large",
        429 => "Too often",
        503 => "The server or its database cannot do it at this time",
        _ => "It could not be done",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(fields) => fields.iter().for_each(|(name, value)| match value {
                Value::String(target) if name == "$ref" => found.push(target),
                _ => references(value, found),
            }),
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_call_has_a_name_of_its_own() {
        let document = document();
        let mut targets = Vec::new();
        references(&document, &mut targets);
        assert!(targets.len() > 20);
        for target in targets {
            let pointer = target.strip_prefix('#').expect("is of this document");
            assert!(document.pointer(pointer).is_some(), "{target}");
        }
        let names: Vec<String> = all_routes().described().map(operation_id).collect();
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len(), "{names:?}");
    }

    #[test]
    fn every_call_says_what_it_gives_and_a_call_with_a_session_says_401() {
        for call in all_routes().described() {
            assert!(!call.gives.is_empty(), "{}", call.path);
            assert_eq!(call.session, call.refusals.contains(&401), "{}", call.path);
        }
    }
}
