// Progressive enhancement of the exchange's pages; every page works without it.
// Menus close, forms ask and show that they work, texts copy, drop areas name their file, jobs report live.
(function () {
  "use strict";
  document.documentElement.classList.add("has-script");
  const words = document.body.dataset;

  // Open menus and confirm panels close on Escape, on a click elsewhere and on their own "keep" button.
  const popups = "details.menu[open], details.confirm[open]";
  document.addEventListener("click", (event) => {
    const close = event.target.closest("[data-close]");
    document.querySelectorAll(popups).forEach((popup) => {
      if (!popup.contains(event.target) || (close && popup.contains(close))) popup.open = false;
    });
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    document.querySelectorAll(popups).forEach((popup) => {
      const inside = popup.contains(document.activeElement);
      popup.open = false;
      if (inside) popup.querySelector("summary").focus();
    });
  });

  function ask(question, then) {
    const dialog = document.createElement("dialog");
    dialog.className = "ask";
    const text = document.createElement("p");
    text.textContent = question;
    const row = document.createElement("div");
    const no = document.createElement("button");
    const yes = document.createElement("button");
    no.type = yes.type = "button";
    no.className = "btn btn-outline-secondary";
    yes.className = "btn btn-primary";
    no.textContent = words.wordCancel;
    yes.textContent = words.wordOk;
    no.addEventListener("click", () => dialog.close());
    yes.addEventListener("click", () => { dialog.close(); then(); });
    dialog.addEventListener("close", () => dialog.remove());
    row.append(no, yes);
    dialog.append(text, row);
    document.body.append(dialog);
    dialog.showModal();
  }

  // A form with data-confirm asks first; a button with data-busy says so while its form is under way.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.confirm && !form.dataset.confirmed) {
      event.preventDefault();
      const submitter = event.submitter;
      ask(form.dataset.confirm, () => { form.dataset.confirmed = "yes"; form.requestSubmit(submitter); });
      return;
    }
    const button = event.submitter;
    if (button && button.dataset.busy && form.method === "post") {
      // Disabling waits a turn, since a disabled button's own value would not be sent.
      setTimeout(() => {
        button.dataset.label = button.textContent;
        button.textContent = button.dataset.busy;
        button.disabled = true;
      }, 0);
    }
  });
  window.addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    document.querySelectorAll("button[data-label]").forEach((button) => {
      button.textContent = button.dataset.label;
      button.disabled = false;
    });
  });

  // Copy buttons are shown only where copying is possible, which needs HTTPS or this machine.
  if (navigator.clipboard) {
    document.querySelectorAll("[data-copy]").forEach((button) => {
      button.hidden = false;
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(button.dataset.copy);
        const title = button.title;
        button.classList.add("copied");
        button.title = button.dataset.copied;
        setTimeout(() => { button.classList.remove("copied"); button.title = title; }, 1500);
      });
    });
  }

  document.querySelectorAll("[data-drop]").forEach((area) => {
    const input = area.querySelector("input[type=file]");
    const name = area.querySelector("[data-drop-name]");
    const show = () => {
      name.textContent = Array.from(input.files, (file) => file.name + " · " + megabytes(file.size)).join(", ");
    };
    input.addEventListener("change", show);
    area.addEventListener("dragover", (event) => { event.preventDefault(); area.classList.add("drop-over"); });
    area.addEventListener("dragleave", () => area.classList.remove("drop-over"));
    area.addEventListener("drop", (event) => {
      event.preventDefault();
      area.classList.remove("drop-over");
      if (!event.dataTransfer.files.length) return;
      input.files = event.dataTransfer.files;
      input.dispatchEvent(new Event("change", { bubbles: true }));
    });
  });
  function megabytes(count) {
    return count < 1048576 ? Math.ceil(count / 1024) + " KiB" : (count / 1048576).toFixed(1) + " MiB";
  }

  // A select with data-submit sends its form at once (sorting a list); the form keeps a button for others.
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
  });

  const focus = document.querySelector("[data-autofocus]");
  if (focus) focus.focus();

  // A job reports until it is finished; then the page follows it to its result or loads again.
  document.querySelectorAll("[data-poll-url]").forEach((job) => {
    const bar = job.querySelector("[data-poll=bar]");
    const message = job.querySelector("[data-poll=message]");
    let pause = 700;
    const poll = async () => {
      try {
        const answer = await fetch(job.dataset.pollUrl, { headers: { Accept: "application/json" } });
        if (!answer.ok) throw new Error(String(answer.status));
        const state = await answer.json();
        if (state.total) { bar.max = state.total; bar.value = state.done || 0; }
        message.textContent = state.message || "";
        if (state.finished) {
          if (!("pollStay" in job.dataset) && state.location && state.location.startsWith("/") && !state.location.startsWith("//")) location.assign(state.location);
          else location.reload();
          return;
        }
        pause = Math.min(pause * 1.15, 4000);
      } catch (error) {
        message.textContent = words.wordFailed;
        pause = Math.min(pause * 2, 15000);
      }
      setTimeout(poll, pause);
    };
    setTimeout(poll, pause);
  });
})();
