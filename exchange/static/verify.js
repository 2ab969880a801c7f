// Verification in the visitor's own browser, for the ledger's pages; the judging is in ledger-verify.js and ledger-trust.js.
// Words come from the page, in the reader's language. What is brought to the page is sent to nobody: the log is asked for
// its newest checkpoint, and for the bytes of an entry whose receipt came without them.
(function () {
  "use strict";
  const V = globalThis.ledgerVerify, T = globalThis.ledgerTrust, B = globalThis.ledgerBundle;
  const LARGEST = 200000000, LARGEST_TEXT = 1000000, PIN = "ledger-trust", SEEN = "ledger-seen";
  const words = {}, language = document.documentElement.lang;
  document.querySelectorAll("[data-words] [data-word]").forEach((item) => { words[item.dataset.word] = item.textContent; });
  const frame = document.querySelector("[data-verifier]");
  if (!V || !T || !frame) return;
  const { vkey, checkpointUrl, entryUrl, zone } = frame.dataset;

  function say(key, values) {
    return (words[key] || key).replace(/\{(\w+)\}/g, (_, name) => String((values || {})[name] ?? ""));
  }
  // In the zone of the pages, and written as they write it.
  function moment(text) {
    const at = new Date(text).toLocaleString(language === "en" ? "en-GB" : language, { dateStyle: "medium", timeStyle: "long", timeZone: zone });
    return at.replace("GMT", "UTC");
  }

  // One line of a verdict, as the macro `checks` draws it. `ok` null: not assessed.
  function line(check) {
    const item = document.createElement("li"), tone = check.ok === null ? "none" : check.ok ? "good" : "bad";
    item.className = `check check-${tone}`;
    item.dataset.check = check.name;
    item.append(document.querySelector(`template[data-icon="${tone}"]`).content.cloneNode(true));
    const box = document.createElement("div"), name = document.createElement("span"), detail = document.createElement("p");
    name.className = "check-name";
    name.textContent = say(`name-${check.name}`);
    detail.className = "check-detail";
    detail.textContent = check.detail;
    box.append(name, detail);
    item.append(box);
    return item;
  }

  function show(place, checks) {
    const failed = checks.some((check) => check.ok === false), open = checks.some((check) => check.ok === null);
    const verdict = failed ? "bad" : open ? "none" : "good";
    place.hidden = false;
    place.dataset.verdict = verdict;
    place.querySelector("[data-title]").textContent = say(`verdict-${verdict}`);
    place.querySelector("[data-checks]").replaceChildren(...checks.map(line));
  }
  function working(place) {
    place.hidden = false;
    place.dataset.verdict = "";
    place.querySelector("[data-title]").textContent = say("working");
  }

  // A sentence for each check: `good-…`, `bad-…` or `open-…` of its name, unless another key is given. The reason that the
  // judging gives is in English; a reader of another language has the sentence.
  class Verdict {
    constructor() { this.checks = []; }
    add(name, ok, values, { key, reason } = {}) {
      const said = say(key || `${ok === null ? "open" : ok ? "good" : "bad"}-${name}`, values);
      this.checks.push({ name, ok, detail: reason && language.startsWith("en") ? `${said} (${reason})` : said });
    }
    async attempt(name, work) {
      try {
        const found = await work();
        this.add(name, true, found);
        return found;
      } catch (error) {
        const isSilent = error instanceof Unreachable;
        this.add(name, isSilent ? null : false, {}, { key: isSilent ? "unreachable" : "", reason: error.message });
        return null;
      }
    }
  }

  // The log gave no answer at all, which proves nothing against it; a refusal does.
  class Unreachable extends Error {}
  async function get(url) {
    let answer;
    try {
      answer = await fetch(url, { headers: { Accept: "application/json, text/plain" }, credentials: "same-origin", cache: "no-store" });
    } catch { throw new Unreachable("no connection"); }
    if (answer.status >= 500 || answer.status === 429 || answer.status === 408) throw new Unreachable(`status ${answer.status}`);
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    return answer.text();
  }

  const store = {
    read(name) { try { return JSON.parse(localStorage.getItem(name)); } catch { return null; } },
    write(name, value) {
      try { localStorage.setItem(name, JSON.stringify({ ...value, at: new Date().toISOString() })); } catch { /* no room, or not allowed */ }
    },
    forget(name) { try { localStorage.removeItem(name); } catch { /* nothing to forget */ } },
  };

  // Whom this browser trusts: what its reader pinned, else the key that the page gave.
  async function trusted() {
    const pinned = store.read(PIN);
    const policy = await T.parseTrust(pinned ? pinned.text : vkey);
    return { ...policy, own: Boolean(pinned) };
  }
  function signatureKey(check, policy) { return check.ok && policy.own ? "good-signature-own" : ""; }

  // The log's newest checkpoint, proven to extend `old`; a checkpoint of the same size proves itself.
  async function extended(old, policy) {
    const found = V.parseExtension(await get(`${checkpointUrl}?old=${old.size}`));
    const { checkpoint } = await T.judge(policy, found.note);
    if (found.old !== old.size || checkpoint.origin !== old.origin) throw new Error("the log answers about another checkpoint");
    await V.verifyConsistency(old.size, checkpoint.size, found.path, old.root, checkpoint.root);
    return { size: checkpoint.size, old: old.size, note: found.note };
  }

  // Compare with what this browser saw of the log the last time, then remember the newer one. A fork is never overwritten.
  // There is one memory and not one for each name of a log, or an exchange could begin anew under another name.
  async function remember(verdict, policy) {
    const kept = store.read(SEEN);
    if (!kept) {
      const note = await get(checkpointUrl), { checkpoint } = await T.judge(policy, note);
      store.write(SEEN, { note, trust: policy.text });
      verdict.add("memory", true, { size: checkpoint.size }, { key: "first-memory" });
      return;
    }
    let isOther = false;
    const found = await verdict.attempt("memory", async () => {
      // The page's key may have changed under record. What was seen is judged by the key of then, and the new one is not vouched for.
      const then = policy.own || !kept.trust ? policy : await T.parseTrust(kept.trust), old = (await T.judge(then, kept.note)).checkpoint;
      isOther = then.text !== policy.text;
      return { ...await extended(old, policy), at: moment(kept.at) };
    });
    if (!found) return;
    if (!isOther) { store.write(SEEN, { note: found.note, trust: policy.text }); return; }
    verdict.checks.pop();
    verdict.add("memory", null, found, { key: "other-key-memory" });
  }

  function addReceipt(verdict, judged, policy) {
    for (const check of judged.checks) {
      verdict.add(check.name, check.ok, check.values, { reason: check.reason, key: check.name === "signature" ? signatureKey(check, policy) : "" });
    }
  }
  async function addOpenings(verdict, entry, openings) {
    await verdict.attempt("openings", async () => {
      const found = await V.verifyOpenings(entry, openings);
      if (!found.signed && openings.signature) throw new Error("its signature cannot be checked");
      return found;
    });
  }

  async function ready(place) {
    const lacking = await V.lacks();
    if (!lacking) return true;
    show(place, [{ name: "browser", ok: null, detail: say(`lacks-${lacking}`) }]);
    return false;
  }

  // The page of one entry: its bytes, its receipt and, for whoever may read them, its openings stand on the page.
  async function onEntry(place) {
    if (!await ready(place)) return;
    const verdict = new Verdict(), { proof, body, before, openings } = place.dataset;
    try {
      const policy = await trusted(), judged = await T.judgeReceipt({ proof, stated: {} }, body, policy);
      addReceipt(verdict, judged, policy);
      if (before) {
        await verdict.attempt("chain", async () => {
          if (V.parseEntry(body).prev !== V.toHex(await V.leafHash(V.encode(before)))) throw new Error("prev is another hash");
        });
      }
      if (openings && judged.entry) {
        const opened = Object.entries(JSON.parse(openings)).map(([name, item]) => [name, item && { salt: V.fromHex(item.salt), value: item.value }]);
        await addOpenings(verdict, judged.entry, Object.fromEntries(opened));
      }
    } catch (error) { verdict.add("receipt", false, {}, { reason: error.message }); }
    show(place, verdict.checks);
  }

  // The head of the log: its signature, and what this browser saw before.
  async function onHead(place) {
    if (!await ready(place)) return;
    const verdict = new Verdict();
    try {
      const policy = await trusted();
      await verdict.attempt("signature", async () => {
        const found = await T.judge(policy, await get(checkpointUrl));
        return { name: found.log.name, size: found.checkpoint.size };
      });
      await remember(verdict, policy);
    } catch (error) { verdict.add("memory", null, {}, { key: "unreachable", reason: error.message }); }
    show(place, verdict.checks);
    const forget = place.querySelector("[data-forget]");
    forget.hidden = !store.read(SEEN);
    forget.onclick = () => { store.forget(SEEN); forget.hidden = true; };
  }

  // A receipt or a bundle that somebody brings, with the key or policy and the checkpoint that they trust.
  function onReceipt(place) {
    const field = (name) => document.querySelector(`[data-field="${name}"]`);
    const receipt = field("receipt"), entry = field("entry"), trust = field("trust"), kept = field("kept");
    const drop = document.querySelector("[data-receipt-drop]"), file = drop.querySelector("input");
    let turn = 0, bundle = null;

    async function run() {
      const mine = ++turn;
      if (!bundle && !receipt.value.trim()) { place.hidden = true; return; }
      if (!await ready(place)) return;
      working(place);
      const checks = await judge();
      if (mine === turn) show(place, checks);
    }

    async function judge() {
      const verdict = new Verdict();
      let policy;
      try {
        policy = { ...await T.parseTrust(trust.value), own: trust.value.trim() !== vkey };
      } catch (error) {
        verdict.add("trust", false, {}, { reason: error.message });
        return verdict.checks;
      }
      try {
        const newest = await (bundle ? ofBundle : ofReceipt)(verdict, policy);
        if (newest) await verdict.attempt("today", () => extended(newest, policy));
      } catch (error) {
        verdict.add("receipt", false, {}, { reason: error.message, key: bundle ? "bad-bundle-file" : "" });
      }
      if (kept.value.trim()) {
        const text = `${kept.value.replaceAll("\r\n", "\n").trim()}\n`;
        // What has no signature line is no checkpoint: a slip of whoever pasted it, and nothing against the log.
        if (!text.includes("\n\n— ")) verdict.add("kept", false, {}, { key: "no-checkpoint" });
        else {
          await verdict.attempt("kept", async () => {
            const old = await T.judge(policy, text.startsWith("old ") ? V.parseExtension(text).note : text);
            return extended(old.checkpoint, policy);
          });
        }
      }
      return verdict.checks;
    }

    async function ofReceipt(verdict, policy) {
      const given = V.readReceipt(receipt.value), { index } = V.parseProof(given.proof);
      let body = entry.value.trim() || given.body;
      if (!body) {
        try { body = JSON.parse(await get(entryUrl + index)).body; } catch (error) {
          const isSilent = error instanceof Unreachable;
          verdict.add("source", isSilent ? null : false, { index }, { key: isSilent ? "unreachable" : "" });
          return null;
        }
      }
      const judged = await T.judgeReceipt(given, body, policy);
      addReceipt(verdict, judged, policy);
      return judged.checkpoint;
    }

    async function ofBundle(verdict, policy) {
      const { note, items } = await B.readBundle(bundle), failed = [], counted = { open: 0, erased: 0, signed: 0 };
      let newest = null, wrong = "", damaged = "", signature = null, witnesses = null;
      for (const item of items) {
        const judged = await T.judgeReceipt(item.receipt, item.body, policy);
        const bad = judged.checks.find((check) => check.ok === false && check.name !== "witnesses");
        const isOther = judged.proof.index !== item.index && "it is the proof of another place";
        // Signature and witnesses are told once, so all receipts stand under one checkpoint.
        const isApart = judged.proof.note !== note && "it is under another checkpoint than the bundle";
        if (bad || isOther || isApart) { failed.push(item.index); wrong ||= bad ? bad.reason : isOther || isApart; }
        signature = signature || judged.checks.find((check) => check.name === "signature");
        witnesses = witnesses || judged.checks.find((check) => check.name === "witnesses");
        if (judged.checkpoint && (!newest || judged.checkpoint.size > newest.size)) newest = judged.checkpoint;
        if (!judged.entry) continue;
        try {
          const found = await V.verifyOpenings(judged.entry, B.readOpenings(item.openings, judged.entry));
          counted.open += found.open; counted.erased += found.erased; counted.signed += Number(found.signed);
        } catch (error) { damaged = damaged || `${item.index}: ${error.message}`; }
      }
      addReceipt(verdict, { checks: [signature, ...(witnesses ? [witnesses] : [])] }, policy);
      verdict.add("bundle", !failed.length, { count: items.length, failed: failed.slice(0, 20).join(", ") + (failed.length > 20 ? ", …" : "") }, { reason: wrong });
      verdict.add("bundle-openings", !damaged, counted, { reason: damaged });
      return newest;
    }

    async function bring() {
      const [given] = file.files;
      if (!given) return;
      const bytes = given.size > LARGEST ? null : new Uint8Array(await given.arrayBuffer());
      const isZip = bytes && bytes[0] === 0x50 && bytes[1] === 0x4b;
      bundle = isZip ? bytes : null;
      if (isZip) { receipt.value = ""; return run(); }
      if (!bytes || bytes.length > LARGEST_TEXT || !bytes.length) {
        turn += 1;
        return show(place, [{ name: "receipt", ok: false, detail: say(given.size ? "too-large" : "empty-file") }]);
      }
      receipt.value = new TextDecoder().decode(bytes);
      return run();
    }

    const pin = document.querySelector("[data-pin]"), unpin = document.querySelector("[data-unpin]"), note = document.querySelector("[data-trust-note]");
    function tellTrust() {
      const pinned = store.read(PIN), own = trust.value.trim() !== vkey;
      note.textContent = pinned && pinned.text === trust.value.trim() ? say("trust-pinned", { at: moment(pinned.at) }) : say(own ? "trust-own" : "trust-page");
      pin.hidden = Boolean(pinned && pinned.text === trust.value.trim());
      unpin.hidden = !pinned && !own;
    }
    pin.addEventListener("click", async () => {
      try { await T.parseTrust(trust.value); } catch { return run(); }
      store.write(PIN, { text: trust.value.trim() });
      tellTrust();
      return again();
    });
    unpin.addEventListener("click", () => { store.forget(PIN); trust.value = vkey; tellTrust(); again(); });
    function again() { run(); document.querySelectorAll("[data-verify-head]").forEach(onHead); }

    let pause = 0;
    const soon = () => { clearTimeout(pause); pause = setTimeout(run, 150); };
    receipt.addEventListener("input", () => { bundle = null; soon(); });
    trust.addEventListener("input", () => { tellTrust(); soon(); });
    [entry, kept].forEach((item) => item.addEventListener("input", soon));
    file.addEventListener("change", bring);
    const pinned = store.read(PIN);
    if (pinned) trust.value = pinned.text;
    tellTrust();
    drop.hidden = false;
    run();
  }

  document.querySelectorAll("[data-verify-entry]").forEach(onEntry);
  document.querySelectorAll("[data-verify-head]").forEach(onHead);
  document.querySelectorAll("[data-verify-receipt]").forEach(onReceipt);
})();
