// Reads an evidence bundle (a zip, docs/formats.md) in the browser and gives its receipts; nothing is judged here.
(function () {
  "use strict";
  const V = globalThis.ledgerVerify;
  const END = 0x06054b50, ENTRY = 0x02014b50, LOCAL = 0x04034b50, STORED = 0, DEFLATED = 8;
  const MAX_FILES = 50000, MAX_FILE = 1000000, MAX_ALL = 200000000;

  // Returns a Map of name to { offset, packed, size, method }. Bundles are written without zip64 and without comments.
  function directory(bytes) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length), end = bytes.length - 22, found = new Map();
    if (end < 0 || view.getUint32(end, true) !== END) V.fail("this is no zip, or it was cut off");
    let place = view.getUint32(end + 16, true);
    const count = view.getUint16(end + 10, true);
    if (count > MAX_FILES || count === 0xffff) V.fail("the bundle has too many files for a browser");
    for (let number = 0; number < count; number += 1) {
      if (place + 46 > end || view.getUint32(place, true) !== ENTRY) V.fail("the directory of the zip is damaged");
      const length = view.getUint16(place + 28, true), name = new TextDecoder().decode(bytes.subarray(place + 46, place + 46 + length));
      if (found.has(name)) V.fail(`the zip holds ${name} twice`);
      const [packed, size, offset] = [20, 24, 42].map((at) => view.getUint32(place + at, true));
      found.set(name, { method: view.getUint16(place + 10, true), packed, size, offset });
      place += 46 + length + view.getUint16(place + 30, true) + view.getUint16(place + 32, true);
    }
    return found;
  }

  async function unpack(bytes, file, name) {
    if (file.size > MAX_FILE) V.fail(`${name} is too large`);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    if (file.offset + 30 > bytes.length || view.getUint32(file.offset, true) !== LOCAL) V.fail(`${name} is not where the zip says`);
    const start = file.offset + 30 + view.getUint16(file.offset + 26, true) + view.getUint16(file.offset + 28, true);
    const packed = bytes.subarray(start, start + file.packed);
    if (file.method === STORED) return packed;
    if (file.method !== DEFLATED) V.fail(`${name} is packed in a way that this page cannot read`);
    const parts = [], reader = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
    for (let size = 0; ;) {
      const { done, value } = await reader.read();
      if (done) break;
      size += value.length;
      if (size > file.size) { await reader.cancel(); V.fail(`${name} is larger than the zip says`); }
      parts.push(value);
    }
    return V.join(...parts);
  }

  // Returns { note, items: [{ index, receipt, body, openings }] } in the order of the entries; `openings` is text for readOpenings.
  // Throws for what is no bundle.
  async function readBundle(bytes) {
    const files = directory(bytes), indexes = [];
    for (const name of files.keys()) {
      const found = /^entries\/(0|[1-9][0-9]{0,18})\.json$/.exec(name);
      if (found) indexes.push(BigInt(found[1]));
    }
    if (!files.has("manifest.json") || !indexes.length) V.fail("this zip is no evidence bundle");
    if ([...files.values()].reduce((sum, file) => sum + file.size, 0) > MAX_ALL) V.fail("the bundle is too large for a browser");
    const text = async (name) => {
      if (!files.has(name)) V.fail(`the bundle lacks ${name}`);
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(await unpack(bytes, files.get(name), name));
    };
    const note = await text("checkpoint"), items = [];
    for (const index of indexes.sort((left, right) => (left < right ? -1 : 1))) {
      const [proof, body, openings] = [await text(`proofs/${index}.tlog-proof`), await text(`entries/${index}.json`), await text(`openings/${index}.json`)];
      items.push({ index, receipt: { proof, stated: {} }, body, openings });
    }
    return { note, items };
  }

  // Returns the openings of an entry by name, null for an erased one.
  function readOpenings(text, entry) {
    const found = JSON.parse(text);
    // In any other form a reader of the file might see another value than the one that is judged.
    if (V.canonical(found) !== text) V.fail("the openings are not in canonical form");
    if (found.statement_id !== entry.id) V.fail("the openings are of another statement");
    return Object.fromEntries(Object.entries(found.openings).map(([name, item]) => (
      [name, item.erased === true ? null : { salt: V.fromBase64(item.salt), value: item.value }])));
  }

  globalThis.ledgerBundle = { readBundle, readOpenings };
})();
