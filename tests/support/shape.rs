//! Shapes of JSON, written as TypeScript writes types, and whether a value has one.

use std::collections::BTreeMap;

use serde_json::Value;

/// The shape of a value.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// `string`, `integer`, `time` and the like, or the name of another shape.
    Name(String),
    /// `"this"`
    Word(String),
    /// `T[]`
    List(Box<Shape>),
    /// `{ [name]: T }`
    Map(Box<Shape>),
    /// `{ a: T, b?: T }`
    Object(Vec<Field>),
    /// `A | B`
    Either(Vec<Shape>),
    /// `A & B`, both objects.
    Both(Vec<Shape>),
}

/// A field of an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    pub name: String,
    pub optional: bool,
    pub shape: Shape,
}

type Named = BTreeMap<String, Shape>;

impl Shape {
    /// Whether the value has this shape; else where it has not.
    pub fn fits(&self, value: &Value, named: &Named) -> Result<(), String> {
        let fits = match self {
            Self::Name(name) => return of_name(name, value, named),
            Self::Word(word) => value.as_str() == Some(word),
            Self::List(shape) => match value.as_array() {
                Some(items) => {
                    return items.iter().enumerate().try_for_each(|(index, item)| {
                        let found = shape.fits(item, named);
                        found.map_err(|wrong| format!("[{index}] {wrong}"))
                    });
                }
                None => false,
            },
            Self::Map(shape) => match value.as_object() {
                Some(items) => {
                    return items.iter().try_for_each(|(key, item)| {
                        let found = shape.fits(item, named);
                        found.map_err(|wrong| format!(".{key} {wrong}"))
                    });
                }
                None => false,
            },
            Self::Object(fields) => return of_fields(fields, value, named),
            Self::Both(_) => return of_fields(&self.fields(named)?, value, named),
            Self::Either(shapes) => {
                let tried = shapes.iter().map(|it| it.fits(value, named));
                let wrong: Result<Vec<String>, ()> = tried.map(|it| it.err().ok_or(())).collect();
                return wrong.map_or(Ok(()), |wrong| Err(wrong.join(", or ")));
            }
        };
        if fits {
            Ok(())
        } else {
            Err(format!("is {value}, not {self:?}"))
        }
    }

    /// The fields of an object, or of several as one.
    fn fields(&self, named: &Named) -> Result<Vec<Field>, String> {
        match self {
            Self::Object(fields) => Ok(fields.clone()),
            Self::Name(name) => named
                .get(name)
                .ok_or(format!("no shape {name}"))?
                .fields(named),
            Self::Both(shapes) => {
                let fields = shapes.iter().map(|it| it.fields(named));
                Ok(fields.collect::<Result<Vec<_>, _>>()?.concat())
            }
            other => Err(format!("{other:?} has no fields")),
        }
    }
}

fn of_name(name: &str, value: &Value, named: &Named) -> Result<(), String> {
    let text = || value.as_str().unwrap_or_default();
    let fits = match name {
        "any" => true,
        "null" => value.is_null(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "time" => text().parse::<jiff::Timestamp>().is_ok(),
        "digest" => text()
            .strip_prefix("sha256:")
            .is_some_and(|it| it.len() == 64),
        other => {
            let shape = named
                .get(other)
                .ok_or(format!("no shape is called {other}"))?;
            return shape.fits(value, named);
        }
    };
    if fits {
        Ok(())
    } else {
        Err(format!("is {value}, not {name}"))
    }
}

fn of_fields(fields: &[Field], value: &Value, named: &Named) -> Result<(), String> {
    let object = value
        .as_object()
        .ok_or(format!("is {value}, not an object"))?;
    if let Some(key) = object
        .keys()
        .find(|key| fields.iter().all(|it| it.name != **key))
    {
        return Err(format!(".{key} is not documented"));
    }
    fields
        .iter()
        .try_for_each(|field| match object.get(&field.name) {
            Some(value) => {
                let found = field.shape.fits(value, named);
                found.map_err(|wrong| format!(".{} {wrong}", field.name))
            }
            None if field.optional => Ok(()),
            None => Err(format!(".{} is missing", field.name)),
        })
}

/// Reads a shape.
pub fn parse(text: &str) -> Result<Shape, String> {
    let mut parser = Parser {
        tokens: tokens(text),
    };
    let shape = parser.either()?;
    match parser.tokens.first() {
        None => Ok(shape),
        Some(rest) => Err(format!("`{rest}` is left over")),
    }
}

fn tokens(text: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut word = false;
    let mut quoted = false;
    for c in text.chars() {
        let continues = quoted || (word && (c.is_alphanumeric() || c == '_'));
        match tokens.last_mut() {
            Some(last) if continues => last.push(c),
            _ if c.is_whitespace() => {}
            _ => tokens.push(c.to_string()),
        }
        if c == '"' {
            quoted = !quoted;
        }
        word = !quoted && (c.is_alphanumeric() || c == '_');
    }
    tokens
}

/// Tokens not read yet.
struct Parser {
    tokens: Vec<String>,
}

impl Parser {
    fn next(&mut self) -> Result<String, String> {
        if self.tokens.is_empty() {
            return Err("the shape ends early".to_owned());
        }
        Ok(self.tokens.remove(0))
    }

    fn take(&mut self, token: &str) -> bool {
        let is_next = self.tokens.first().is_some_and(|it| it == token);
        if is_next {
            self.tokens.remove(0);
        }
        is_next
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        let next = self.next()?;
        if next == token {
            Ok(())
        } else {
            Err(format!("`{next}` is there instead of `{token}`"))
        }
    }

    fn either(&mut self) -> Result<Shape, String> {
        let mut shapes = vec![self.both()?];
        while self.take("|") {
            shapes.push(self.both()?);
        }
        let one = shapes.len() == 1;
        Ok(if one {
            shapes.remove(0)
        } else {
            Shape::Either(shapes)
        })
    }

    fn both(&mut self) -> Result<Shape, String> {
        let mut shapes = vec![self.listed()?];
        while self.take("&") {
            shapes.push(self.listed()?);
        }
        let one = shapes.len() == 1;
        Ok(if one {
            shapes.remove(0)
        } else {
            Shape::Both(shapes)
        })
    }

    fn listed(&mut self) -> Result<Shape, String> {
        let mut shape = self.single()?;
        while self.take("[") {
            self.expect("]")?;
            shape = Shape::List(Box::new(shape));
        }
        Ok(shape)
    }

    fn single(&mut self) -> Result<Shape, String> {
        let token = self.next()?;
        match token.as_str() {
            "(" => {
                let shape = self.either()?;
                self.expect(")")?;
                Ok(shape)
            }
            "{" => self.object(),
            quoted if quoted.starts_with('"') => Ok(Shape::Word(quoted.replace('"', ""))),
            name if name.starts_with(char::is_alphabetic) => Ok(Shape::Name(token)),
            other => Err(format!("`{other}` is no shape")),
        }
    }

    fn object(&mut self) -> Result<Shape, String> {
        if self.take("[") {
            self.next()?;
            self.expect("]")?;
            self.expect(":")?;
            let shape = self.either()?;
            self.expect("}")?;
            return Ok(Shape::Map(Box::new(shape)));
        }
        let mut fields = Vec::new();
        loop {
            let name = self.next()?;
            let optional = self.take("?");
            self.expect(":")?;
            let shape = self.either()?;
            fields.push(Field {
                name,
                optional,
                shape,
            });
            if !self.take(",") {
                break;
            }
        }
        self.expect("}")?;
        Ok(Shape::Object(fields))
    }
}
