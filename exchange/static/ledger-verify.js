// Verifies evidence of the ledger in the reader's own browser: pure functions over text, no page and no network.
// Formats: c2sp.org/signed-note, tlog-checkpoint, tlog-proof; proofs as in RFC 9162, sections 2.1.3.2 and 2.1.4.2;
// entries and openings as docs/formats.md has them. SHA-256, HMAC and Ed25519 are the browser's own (WebCrypto).
// Every function throws an Error that says what is wrong. It judges as the package `ledger` does, no more leniently.
(function () {
  "use strict";
  const HASH = 32, MAX_PATH = 63, MAX_SIGNATURES = 100, MAX_NOTE = 1000000, MAX_ENTRY = 65535, HEADER = "c2sp.org/tlog-proof@v1";
  const STATEMENT = "industrial-data-exchange/statement/v1\n", COMMITMENT = "industrial-data-exchange/commitment/v1\n";
  const encoder = new TextEncoder();
  const EMPTY_ROOT = fromHex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");

  function fail(message) { throw new Error(message); }

  function fromHex(text) {
    if (!/^([0-9a-f]{2})*$/.test(text)) fail("not hexadecimal");
    return Uint8Array.from(text.match(/../g) || [], (pair) => parseInt(pair, 16));
  }
  function toHex(bytes) { return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(""); }
  function toBase64(bytes) { return btoa(String.fromCharCode(...bytes)); }
  function fromBase64(text) {
    let bytes;
    try { bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0)); } catch { fail("not base64"); }
    // One value has one spelling; atob is more lenient.
    if (toBase64(bytes) !== text) fail("base64 in a form that is not its own encoding");
    return bytes;
  }
  function same(left, right) { return left.length === right.length && left.every((byte, place) => byte === right[place]); }
  function join(...parts) {
    const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
    let place = 0;
    for (const part of parts) { whole.set(part, place); place += part.length; }
    return whole;
  }
  // Sizes and indexes are BigInt: a log may outgrow 2^53.
  function number(text) {
    if (!/^(0|[1-9][0-9]{0,18})$/.test(text) || BigInt(text) >= 2n ** 63n) fail(`${text.slice(0, 30)} is no tree size or index`);
    return BigInt(text);
  }

  // Text that is no Unicode would be changed by encoding it, so that something else would be verified.
  function encode(text) {
    if (/\p{Surrogate}/u.test(text)) fail("the text is not Unicode");
    return encoder.encode(text);
  }

  async function sha256(bytes) { return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)); }
  function leafHash(entry) { return sha256(join(Uint8Array.of(0), entry)); }
  function nodeHash(left, right) { return sha256(join(Uint8Array.of(1), left, right)); }

  // Keys and signature halves that libsodium refuses and some browsers take: points of small order (RFC 8032 leaves them open).
  const SMALL_ORDER = new Set([
    "0000000000000000000000000000000000000000000000000000000000000000", "0100000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  ]);
  function isUsablePoint(point) {
    const plain = Uint8Array.from(point);
    plain[31] &= 0x7f;
    const hex = toHex(plain), beyond = plain[0] >= 0xed && /^..(ff){30}7f$/.test(hex);
    return !beyond && !SMALL_ORDER.has(hex);
  }
  async function verifyEd25519(key, message, signature) {
    if (key.length !== 32 || signature.length !== 64 || !isUsablePoint(key) || !isUsablePoint(signature.slice(0, 32))) return false;
    const imported = await crypto.subtle.importKey("raw", key, { name: "Ed25519" }, false, ["verify"]);
    return crypto.subtle.verify("Ed25519", imported, signature, message);
  }

  // What the browser can do: "" when all is there, else what is missing.
  async function lacks() {
    if (!globalThis.isSecureContext || !globalThis.crypto || !crypto.subtle) return "secure-context";
    try {
      await crypto.subtle.importKey("raw", new Uint8Array(32).fill(1), { name: "Ed25519" }, true, ["verify"]);
    } catch { return "ed25519"; }
    return "";
  }

  // name+hash+base64(type || key), with a hash that fits; `kinds` are the types of signed-note that are wanted, with their sizes.
  async function parseKey(text, kinds = { 1: 32 }) {
    const parts = text.trim().split("+");
    if (parts.length < 3) fail("a verifier key reads name+hash+base64");
    const name = parts[0], stated = parts[1], key = fromBase64(parts.slice(2).join("+"));
    if (!isName(name)) fail("the verifier key has no usable name");
    if (!(key[0] in kinds) || key.length !== kinds[key[0]] + 1) fail("the verifier key is not of the type that is wanted");
    const id = (await sha256(join(encode(`${name}\n`), key))).slice(0, 4);
    if (toHex(id) !== stated) fail("the hash inside the verifier key does not fit its name and key");
    return { name, id, kind: key[0], bytes: key.slice(1), text: text.trim() };
  }
  // White space is what Python's str.isspace says.
  function isName(name) { return name !== "" && !/[\u0000-\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000+]/u.test(name); }

  // The text of a note and its signature lines; no signature is checked.
  function splitNote(note) {
    if (note.length > MAX_NOTE) fail("the note is longer than one megabyte");
    const split = note.lastIndexOf("\n\n");
    if (split < 0 || !note.endsWith("\n")) fail("the checkpoint has no signature");
    const text = note.slice(0, split + 1), lines = note.slice(split + 2, -1).split("\n");
    if (/[\u0000-\u0009\u000b-\u001f]/u.test(text)) fail("the checkpoint holds a control character");
    if (lines.length > MAX_SIGNATURES) fail("the checkpoint has too many signatures");
    return { text, lines: lines.map(parseLine) };
  }
  function parseLine(line) {
    const parts = line.split(" ");
    if (parts.length !== 3 || parts[0] !== "—" || !isName(parts[1])) fail("a signature line is malformed");
    const data = fromBase64(parts[2]);
    if (data.length < 5) fail("a signature line is too short");
    return { name: parts[1], id: data.slice(0, 4), signature: data.slice(4) };
  }
  function isOf(line, key) { return line.name === key.name && same(line.id, key.id); }

  // Returns the text that the key signed; signatures of other keys are not looked at.
  async function verifyNote(note, key) {
    const { text, lines } = splitNote(note), own = lines.filter((line) => isOf(line, key));
    if (!own.length) fail("the checkpoint carries no signature of this key");
    for (const line of own) {
      if (!await verifyEd25519(key.bytes, encode(text), line.signature)) fail("the log's signature does not verify under this key");
    }
    return text;
  }

  function parseCheckpoint(text) {
    const lines = text.slice(0, -1).split("\n");
    if (lines.length < 3 || lines.includes("")) fail("a checkpoint has an origin, a size and a root, each on a line");
    const root = fromBase64(lines[2]);
    if (root.length !== HASH) fail("the root of a checkpoint is not 32 bytes");
    return { origin: lines[0], size: number(lines[1]), root };
  }
  async function verifyCheckpoint(note, key) {
    const found = parseCheckpoint(await verifyNote(note, key));
    if (found.origin !== key.name) fail(`the checkpoint is of the log ${found.origin}, not ${key.name}`);
    return found;
  }

  function parseHashes(lines) {
    if (lines.length > MAX_PATH) fail("the proof is longer than any tree is high");
    const path = lines.map(fromBase64);
    if (path.some((item) => item.length !== HASH)) fail("a hash of the proof is not 32 bytes");
    return path;
  }
  function parseProof(text) {
    const split = text.indexOf("\n\n"), lines = text.slice(0, split).split("\n");
    if (split < 0 || lines[0] !== HEADER) fail("this is no tlog-proof");
    if ((lines[1] || "").startsWith("extra ")) lines.splice(1, 1);
    if (!(lines[1] || "").startsWith("index ")) fail("the tlog-proof names no index");
    return { index: number(lines[1].slice(6)), path: parseHashes(lines.slice(2)), note: text.slice(split + 2) };
  }
  // `old N`, the consistency proof, an empty line, a checkpoint.
  function parseExtension(text) {
    const split = text.indexOf("\n\n"), lines = text.slice(0, split).split("\n");
    if (split < 0 || !lines[0].startsWith("old ")) fail("this is no checkpoint with a consistency proof");
    return { old: number(lines[0].slice(4)), path: parseHashes(lines.slice(1)), note: text.slice(split + 2) };
  }

  async function verifyInclusion(index, size, leaf, path, root) {
    if (index >= size) fail(`place ${index} lies outside a tree of ${size} entries`);
    if ([leaf, root, ...path].some((item) => item.length !== HASH)) fail("a hash is not 32 bytes");
    let node = index, last = size - 1n, current = leaf;
    for (const sibling of path) {
      if (last === 0n) fail("the inclusion proof is too long");
      if (node & 1n || node === last) {
        current = await nodeHash(sibling, current);
        while (!(node & 1n) && node) { node >>= 1n; last >>= 1n; }
      } else {
        current = await nodeHash(current, sibling);
      }
      node >>= 1n;
      last >>= 1n;
    }
    if (last !== 0n) fail("the inclusion proof is too short");
    if (!same(current, root)) fail("the proof does not lead from these bytes to the signed root");
  }

  async function verifyConsistency(old, fresh, path, oldRoot, freshRoot) {
    if (old > fresh) fail(`a log of ${fresh} entries cannot extend one of ${old}`);
    if (old === fresh) {
      if (path.length) fail("a consistency proof between equal sizes is empty");
      if (!same(oldRoot, freshRoot) || (old === 0n && !same(oldRoot, EMPTY_ROOT))) fail(`two different roots at size ${old}: the log has forked`);
      return;
    }
    if ([oldRoot, freshRoot, ...path].some((item) => item.length !== HASH)) fail("a hash is not 32 bytes");
    if (old === 0n) fail("the empty tree proves nothing about a later one");
    if (!path.length) fail("the consistency proof is empty");
    const steps = (old & (old - 1n)) === 0n ? [oldRoot, ...path] : path;
    let node = old - 1n, last = fresh - 1n;
    while (node & 1n) { node >>= 1n; last >>= 1n; }
    let before = steps[0], after = steps[0];
    for (const sibling of steps.slice(1)) {
      if (last === 0n) fail("the consistency proof is too long");
      if (node & 1n || node === last) {
        before = await nodeHash(sibling, before);
        after = await nodeHash(sibling, after);
        while (!(node & 1n) && node) { node >>= 1n; last >>= 1n; }
      } else {
        after = await nodeHash(after, sibling);
      }
      node >>= 1n;
      last >>= 1n;
    }
    if (last !== 0n) fail("the consistency proof is too short");
    if (!same(before, oldRoot)) fail(`the proof does not lead to the root at size ${old}: the log was rewritten`);
    if (!same(after, freshRoot)) fail(`the proof does not lead to the root at size ${fresh}`);
  }

  // The whole form of an entry, as ledger.entry has it: bytes of this form are canonical JSON (RFC 8785).
  const HEX = "[0-9a-f]{64}", NUMBER = "0|[1-9][0-9]{0,18}", FIELD = "[a-z][a-z0-9_]{0,63}", NAME = "[a-z][a-z0-9_-]{0,63}";
  const URN = "urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
  const FORM = new RegExp(
    `^\\{"index":"(?<index>${NUMBER})","prev":(?:null|"(?<prev>${HEX})"),"signature":"(?<signature>${HEX})"`
    + `,"statement":(?<payload>\\{(?:"agreement":"(?<agreement>${URN})",)?"at":"(?<at>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\\.[0-9]{6})?Z)"`
    + `,"commitments":(?<commitments>\\{(?:"${FIELD}":"${HEX}"(?:,(?=")|(?=\\})))*\\})`
    + `(?:,"counter":"(?<counter>${NUMBER})")?,"id":"(?<id>${URN})","kind":"(?<kind>${NAME}(?:\\.${NAME}){0,3})","v":1\\}),"v":1\\}$`,
  );
  function parseEntry(body) {
    const found = body.length <= MAX_ENTRY && FORM.exec(body);
    if (!found) fail("the bytes are not in the form that an entry has");
    const said = found.groups, names = [...said.commitments.matchAll(/"([^"]+)":/g)].map((item) => item[1]);
    if (names.some((name, place) => place && name <= names[place - 1])) fail("the commitments do not stand in the order of their names");
    if (!said.agreement !== !said.counter) fail("with an agreement and no counter, or a counter and no agreement");
    return { ...said, commitments: JSON.parse(said.commitments) };
  }

  // RFC 8785: JSON.stringify writes numbers and strings as it demands, and sort() orders names as it demands.
  function canonical(value) {
    if (typeof value === "string") encode(value);
    // Beyond these JSON.parse has rounded what was written; from 1e21 on a canonical number has an exponent.
    if (Number.isInteger(value) && !Number.isSafeInteger(value) && Math.abs(value) < 1e21) fail("an integer is beyond 2^53 - 1");
    if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
    if (value === null || typeof value !== "object") return JSON.stringify(value);
    return `{${Object.keys(value).sort().map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join(",")}}`;
  }
  // HMAC-SHA256(salt, context || kind || LF || field || LF || canonical value)
  async function commitment(kind, name, salt, value) {
    const key = await crypto.subtle.importKey("raw", salt, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
    return toHex(new Uint8Array(await crypto.subtle.sign("HMAC", key, encode(`${COMMITMENT}${kind}\n${name}\n${canonical(value)}`))));
  }
  // Checks each opening {salt, value} against its commitment, and the statement's signature where it is open. An erased
  // opening is null: its commitment stays, and nothing is claimed of it. Returns how many are open and erased, and who signed.
  async function verifyOpenings(entry, openings) {
    const found = { open: 0, erased: 0, signed: false, key: "" }, commitments = new Map([...Object.entries(entry.commitments), ["signature", entry.signature]]);
    for (const name of commitments.keys()) if (!Object.hasOwn(openings, name)) fail(`the opening of ${name} is missing`);
    for (const [name, opening] of Object.entries(openings)) {
      const expected = commitments.get(name);
      if (!expected) fail(`the entry does not commit to a field ${name}`);
      if (opening === null) { found.erased += 1; continue; }
      if (await commitment(entry.kind, name, opening.salt, opening.value) !== expected) fail(`the field ${name} is not what was committed to`);
      found.open += 1;
    }
    const signer = openings.signer, signature = openings.signature;
    if (signer && signature) {
      const said = signature.value, key = fromBase64(said.public);
      const id = `ed25519:${toHex(await sha256(key)).slice(0, 16)}`;
      if (canonical(signer.value) !== canonical({ participant: said.participant, custody: said.custody }) || said.key !== id) fail("the signature names another signer or key");
      if (!await verifyEd25519(key, encode(STATEMENT + entry.payload), fromBase64(said.sig))) fail("the signature of the statement does not verify");
      Object.assign(found, { signed: true, key: id });
    }
    return found;
  }

  // What somebody brings: a .tlog-proof, a receipt as JSON, or an answer of the API that holds one. Returns the proof's text,
  // what the receipt states beside it, and the entry's bytes where they came along.
  function readReceipt(text) {
    const given = text.replaceAll("\r\n", "\n").trim();
    if (!given.startsWith("{") && !given.startsWith("[")) return { proof: `${given}\n`, stated: {} };
    let found;
    try { found = JSON.parse(given); } catch { fail("this is neither a tlog-proof nor JSON"); }
    const body = found && typeof found.body === "string" ? found.body : null;
    if (Array.isArray(found)) found = found[found.length - 1];
    if (found && Array.isArray(found.receipts)) found = found.receipts[found.receipts.length - 1];
    if (found && found.receipt && typeof found.receipt === "object") found = found.receipt;
    if (!found || typeof found.proof !== "string") fail("this JSON holds no receipt");
    const names = ["index", "leaf_hash", "size", "statement_id"].filter((name) => name in found);
    const stated = Object.fromEntries(names.map((name) => [name, String(found[name])]));
    return { proof: `${found.proof.trim()}\n`, stated, body };
  }

  globalThis.ledgerVerify = {
    canonical, commitment, encode, fail, fromBase64, fromHex, isName, isOf, join, lacks, leafHash, parseCheckpoint, parseEntry, parseExtension,
    parseKey, parseProof, readReceipt, same, splitNote, toHex, verifyCheckpoint, verifyConsistency, verifyEd25519, verifyInclusion, verifyNote, verifyOpenings,
  };
})();
