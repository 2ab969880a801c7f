// Whom a reader trusts: the key of a log, or a policy (c2sp.org/tlog-policy) of a log and its witnesses; and the judgement of a receipt
// under it. Pure functions over text as in ledger-verify.js, which this file rests on.
(function () {
  "use strict";
  const V = globalThis.ledgerVerify;
  const ED25519 = 1, COSIGNATURE = 4, ML_DSA_44 = 6, SIZES = { [COSIGNATURE]: 32, [ML_DSA_44]: 1312 };
  const MAX_TIME = 2n ** 63n - 1n, MAX_NAMES = 1000;

  // A verifier key by itself, or a policy. Returns { logs, witnesses, groups, quorum, text }.
  async function parseTrust(text) {
    const given = text.trim();
    if (/^[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+$/.test(given)) {
      return { logs: [await V.parseKey(given)], names: new Map(), quorum: "none", text: given, isKey: true };
    }
    return { ...await parsePolicy(text.replaceAll("\r\n", "\n")), text: given, isKey: false };
  }

  async function parsePolicy(text) {
    const policy = { logs: [], names: new Map(), quorum: null };
    for (const [place, line] of text.split("\n").entries()) {
      try { await parseLine(policy, line); } catch (error) { V.fail(`line ${place + 1} of the policy: ${error.message}`); }
    }
    if (policy.quorum === null) V.fail("the policy has no quorum line");
    if (!policy.logs.length) V.fail("the policy names no log");
    if (policy.logs.length + policy.names.size > MAX_NAMES) V.fail("the policy names more than a thousand logs, witnesses and groups");
    const witnesses = [...policy.names.values()].filter((item) => item.key).map((item) => item.key);
    for (const keys of [policy.logs, witnesses]) {
      if (new Set(keys.map((key) => V.toHex(key.bytes))).size < keys.length) V.fail("two lines of the policy have the same key");
    }
    return policy;
  }

  async function parseLine(policy, line) {
    if (/[\u0000-\u0008\u000a-\u001f\u007f]/.test(line)) V.fail("a control character");
    const words = line.split(/[ \t]+/).filter((word) => word);
    if (!words.length || words[0].startsWith("#")) return;
    const [kind, ...rest] = words;
    if (kind === "log" && rest.length >= 1 && rest.length <= 2) {
      policy.logs.push(await V.parseKey(rest[0], { [ED25519]: 32 }));
    } else if (kind === "witness" && rest.length >= 2 && rest.length <= 3) {
      define(policy, rest[0], { key: await V.parseKey(rest[1], SIZES) });
    } else if (kind === "group" && rest.length >= 3) {
      const [name, threshold, ...members] = rest;
      const needed = new Map([["any", 1], ["all", members.length]]).get(threshold) || Number(/^[1-9][0-9]{0,5}$/.test(threshold) ? threshold : 0);
      if (needed < 1 || needed > members.length) V.fail(`${threshold} is no threshold for ${members.length} members`);
      for (const member of members) {
        const found = policy.names.get(member);
        if (!found) V.fail(`${member} is not defined on a line before`);
        if (found.used) V.fail(`${member} is a member twice`);
        found.used = true;
      }
      define(policy, name, { needed, members });
    } else if (kind === "quorum" && rest.length === 1) {
      if (policy.quorum !== null) V.fail("a second quorum line");
      if (rest[0] !== "none" && !policy.names.has(rest[0])) V.fail(`the quorum ${rest[0]} is not defined on a line before`);
      policy.quorum = rest[0];
    } else {
      V.fail(`not a log, witness, group or quorum as a policy writes them: ${kind.slice(0, 30)}`);
    }
  }
  function define(policy, name, item) {
    if (policy.names.has(name) || name === "none") V.fail(`the name ${name} is defined twice or reserved`);
    policy.names.set(name, item);
  }

  // The checkpoint that a log of the policy signed, and what its witnesses did: { checkpoint, log, cosigned, unread, quorum }.
  // `quorum`: true, false, or null where only witnesses are missing whose signatures this browser cannot check.
  async function judge(policy, note) {
    const { text, lines } = V.splitNote(note), checkpoint = V.parseCheckpoint(text);
    const signers = policy.logs.filter((log) => log.name === checkpoint.origin && lines.some((line) => V.isOf(line, log)));
    if (!signers.length) V.fail(`the checkpoint of ${checkpoint.origin} is not signed by a log that you trust`);
    for (const log of signers) await V.verifyNote(note, log);
    const cosigned = [], unread = [];
    for (const [name, { key }] of policy.names) {
      const own = key ? lines.filter((line) => V.isOf(line, key)) : [];
      if (!own.length) continue;
      if (key.kind === ML_DSA_44) { unread.push(name); continue; }
      for (const line of own) await verifyCosignature(text, key, line.signature, name);
      cosigned.push(name);
    }
    const reached = isMet(policy, new Set(cosigned));
    const quorum = reached || !isMet(policy, new Set([...cosigned, ...unread])) ? reached : null;
    return { checkpoint, log: signers[0], cosigned, unread, quorum };
  }
  // c2sp.org/tlog-cosignature: eight bytes of time, then a signature over it and the checkpoint.
  async function verifyCosignature(text, key, data, name) {
    if (data.length !== 72) V.fail(`the cosignature of ${name} has another length`);
    const time = new DataView(data.buffer, data.byteOffset, 8).getBigUint64(0);
    const good = time <= MAX_TIME && await V.verifyEd25519(key.bytes, V.encode(`cosignature/v1\ntime ${time}\n${text}`), data.slice(8));
    if (!good) V.fail(`the cosignature of ${name} does not verify`);
  }
  function isMet(policy, witnessed) {
    const met = new Map([["none", true]]);
    for (const [name, item] of policy.names) {
      met.set(name, item.key ? witnessed.has(name) : item.members.filter((member) => met.get(member)).length >= item.needed);
    }
    return met.get(policy.quorum);
  }

  // The checks of one receipt, as exchange.audit.verification makes them: [{ name, ok, values, reason }], and the checkpoint
  // where it is signed. `given` as readReceipt returns it, `body` the entry's bytes as text.
  async function judgeReceipt(given, body, policy) {
    const checks = [], proof = V.parseProof(given.proof);
    let found = null, entry = null;
    const attempt = async (name, work) => {
      try {
        checks.push({ name, ok: true, values: await work() });
      } catch (error) {
        checks.push({ name, ok: false, values: { index: proof.index }, reason: error.message });
      }
    };
    await attempt("signature", async () => {
      found = await judge(policy, proof.note);
      return { name: found.log.name, size: found.checkpoint.size };
    });
    let leaf = new Uint8Array();
    await attempt("bytes", async () => {
      leaf = await V.leafHash(V.encode(body));
      entry = V.parseEntry(body);
      if (entry.index !== String(proof.index)) V.fail(`they name place ${entry.index}`);
      return { index: proof.index, leaf: V.toHex(leaf).slice(0, 16) };
    });
    if (found) {
      await attempt("inclusion", async () => {
        await V.verifyInclusion(proof.index, found.checkpoint.size, leaf, proof.path, found.checkpoint.root);
        return { index: proof.index, size: found.checkpoint.size };
      });
    }
    if (Object.keys(given.stated).length) {
      await attempt("stated", async () => {
        const own = { index: String(proof.index), leaf_hash: V.toHex(leaf), statement_id: entry && entry.id, size: found && String(found.checkpoint.size) };
        for (const [name, value] of Object.entries(given.stated)) if (value !== own[name]) V.fail(`${name} differs`);
      });
    }
    if (found && policy.quorum !== "none") {
      const values = { count: found.cosigned.length, names: found.cosigned.join(", "), unread: found.unread.join(", ") };
      checks.push({ name: "witnesses", ok: found.quorum, values });
    }
    return { checks, proof, entry, checkpoint: found && found.checkpoint };
  }

  globalThis.ledgerTrust = { judge, judgeReceipt, parsePolicy, parseTrust };
})();
