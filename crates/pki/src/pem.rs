//! PEM as people have it: text before, between and after blocks, CRLF, trailing blanks, a missing final newline.
//! Source: RFC 7468, and RFC 1421 for headers.

use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

/// One block of a PEM file.
pub struct Block {
    /// The words after BEGIN.
    pub label: String,
    /// 1-based line of the BEGIN line.
    pub line: usize,
    /// Offset in octets of the BEGIN line.
    pub start: usize,
    /// Offset in octets after the END line, without its line end.
    pub end: usize,
    /// Whether RFC 1421 headers say that the content is encrypted (`Proc-Type: 4,ENCRYPTED`).
    pub encrypted: bool,
    /// The decoded content, or why there is none.
    pub content: Result<Zeroizing<Vec<u8>>, String>,
}

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";

struct Line<'a> {
    number: usize,
    start: usize,
    /// Without the line end and without blanks before it.
    text: &'a [u8],
}

struct Open<'a> {
    label: &'a [u8],
    line: usize,
    start: usize,
    last: usize,
    body: Vec<(usize, &'a [u8])>,
}

/// Every block of `file`, in file order. A block that is cut off or not base64 is there with its reason.
pub fn scan(file: &[u8]) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Open<'_>> = None;
    for line in lines(file) {
        let end = line.start + line.text.len();
        if let Some(label) = between(line.text, BEGIN) {
            if let Some(block) = open.take() {
                let reason = format!("line {}: BEGIN before the block's END line", line.number);
                blocks.push(block.broken(reason));
            }
            open = Some(Open {
                label,
                line: line.number,
                start: line.start,
                last: end,
                body: Vec::new(),
            });
        } else if let Some(label) = between(line.text, END) {
            if let Some(mut block) = open.take() {
                block.last = end;
                blocks.push(if label == block.label {
                    block.close()
                } else {
                    let reason = format!("line {}: the END line names another label", line.number);
                    block.broken(reason)
                });
            }
        } else if let Some(block) = open.as_mut() {
            block.last = end;
            block.body.push((line.number, line.text));
        } else if let Some(label) = misplaced(line.text) {
            let reason = format!("line {}: text before BEGIN on its line", line.number);
            blocks.push(
                Open {
                    label,
                    line: line.number,
                    start: line.start,
                    last: end,
                    body: Vec::new(),
                }
                .broken(reason),
            );
        }
    }
    if let Some(block) = open {
        let reason = format!("line {}: cut off, no END line follows", block.line);
        blocks.push(block.broken(reason));
    }
    blocks
}

/// One block: 64 columns, LF, final newline. The buffer never grows and is wiped when dropped.
pub fn encode(label: &str, der: &[u8]) -> Zeroizing<Vec<u8>> {
    // 48 octets fill a line of 64 columns.
    let lines = der.len().div_ceil(48);
    let size = 2 * label.len() + 64 + 65 * lines;
    let mut text = Zeroizing::new(Vec::with_capacity(size));
    let mut column = Zeroizing::new([0u8; 64]);
    text.extend_from_slice(BEGIN);
    text.extend_from_slice(label.as_bytes());
    text.extend_from_slice(b"-----\n");
    for chunk in der.chunks(48) {
        if let Ok(line) = Base64::encode(chunk, column.as_mut_slice()) {
            text.extend_from_slice(line.as_bytes());
        }
        text.push(b'\n');
    }
    text.extend_from_slice(END);
    text.extend_from_slice(label.as_bytes());
    text.extend_from_slice(b"-----\n");
    text
}

/// Base64 without line breaks, of octets that are no secret.
pub fn base64(octets: &[u8]) -> String {
    Base64::encode_string(octets)
}

impl Open<'_> {
    fn finish(self, encrypted: bool, content: Result<Zeroizing<Vec<u8>>, String>) -> Block {
        Block {
            label: String::from_utf8_lossy(self.label).into_owned(),
            line: self.line,
            start: self.start,
            end: self.last,
            encrypted,
            content,
        }
    }

    fn broken(self, reason: String) -> Block {
        self.finish(false, Err(reason))
    }

    fn close(self) -> Block {
        let (headers, body) = match self.body.iter().position(|(_, text)| text.contains(&b':')) {
            Some(0) => {
                let blank = self.body.iter().position(|(_, text)| text.is_empty());
                self.body.split_at(blank.unwrap_or(self.body.len()))
            }
            _ => self.body.split_at(0),
        };
        let encrypted = headers
            .iter()
            .any(|(_, text)| text.starts_with(b"Proc-Type:") && text.ends_with(b",ENCRYPTED"));
        let content = decode(body);
        self.finish(
            encrypted,
            content.map_err(|(line, why)| match line {
                Some(line) => format!("line {line}: {why}"),
                None => why.to_owned(),
            }),
        )
    }
}

type Undecodable = (Option<usize>, &'static str);

fn decode(body: &[(usize, &[u8])]) -> Result<Zeroizing<Vec<u8>>, Undecodable> {
    let size = body.iter().map(|(_, text)| text.len()).sum();
    let mut text = Zeroizing::new(Vec::<u8>::with_capacity(size));
    for (number, line) in body {
        for octet in *line {
            match octet {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' | b'=' => text.push(*octet),
                b' ' | b'\t' => {}
                _ => return Err((Some(*number), "a character that is not base64")),
            }
        }
    }
    if text.is_empty() {
        return Err((None, "the block is empty"));
    }
    let mut content = Zeroizing::new(vec![0u8; text.len().div_ceil(4) * 3]);
    let length = Base64::decode(text.as_slice(), content.as_mut_slice())
        .map_err(|_| (None, "the block's base64 is cut off or damaged"))?
        .len();
    content.truncate(length);
    Ok(content)
}

fn lines(file: &[u8]) -> impl Iterator<Item = Line<'_>> {
    let mut start = 0;
    file.split_inclusive(|octet| *octet == b'\n')
        .enumerate()
        .map(move |(index, raw)| {
            let line = Line {
                number: index + 1,
                start,
                text: raw.trim_ascii_end(),
            };
            start += raw.len();
            line
        })
}

fn between<'a>(line: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    line.strip_prefix(prefix)?.strip_suffix(DASHES)
}

/// A BEGIN line behind blanks or a byte order mark: OpenSSL and Go overlook it, so it must not count as a block.
fn misplaced(line: &[u8]) -> Option<&[u8]> {
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    between(line.trim_ascii_start(), BEGIN)
}
