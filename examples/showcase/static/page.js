// The page: panes, ticker, echo, sources and routes. Whatever came over the wire is shown as text, never as HTML.

import { connect } from "/shallot.js";
import { showSources } from "/source.js";

const KEPT = 200;
const MEANING = { 1000: "done", 1006: "connection lost", 1009: "message too big", 1011: "error on the server", 1012: "server restarts", 1013: "try again later" };
const LABEL = { connecting: "Connecting …", open: "Open", waiting: "Connection closed", closed: "Closed" };
const $ = (selector, root = document) => root.querySelector(selector);

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function showState(root, { state, code, reason, wait, by }) {
  const why = code ? ` · ${code} ${reason || MEANING[code] || ""}`.trimEnd() : "";
  const next = state === "waiting" ? ` · again in ${(wait / 1000).toFixed(1)} s` : by ? ` · ${by}` : "";
  const shown = $(".state", root);
  shown.dataset.state = state;
  shown.textContent = LABEL[state] + why + next;
}

// A log keeps its end in sight, also when its box shrinks, unless the reader has scrolled up.
function openLog(log) {
  let atEnd = true;
  const keepEnd = () => { if (atEnd) log.scrollTop = log.scrollHeight; };
  log.onscroll = () => { atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 24; };
  new ResizeObserver(keepEnd).observe(log);
  return (item) => {
    log.append(item);
    while (log.children.length > KEPT) log.firstElementChild.remove();
    keepEnd();
  };
}

// A conversation that can be left and joined again; it goes on where it was.
function openTalk(urls, { changed, heard, missed, ...options }) {
  let talk = null, cursor = null;
  return {
    get wanted() { return talk !== null; },
    get state() { return talk?.state ?? "closed"; },
    get queued() { return talk?.queued ?? 0; },
    send: (text) => talk?.send(text) ?? false,
    start() {
      talk = connect(urls, { ...options, cursor });
      changed({ state: talk.state });
      talk.addEventListener("message", ({ detail }) => heard(detail));
      talk.addEventListener("gap", ({ detail }) => missed(detail));
      talk.addEventListener("state", ({ detail }) => {
        if (detail.state === "closed") [cursor, talk] = [talk.cursor, null];
        changed(detail);
      });
    },
    stop() { talk?.close(); },
  };
}

// ---- the room

const COLOURS = 8;
const colourOf = (id) => [...id].reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % COLOURS;

function seatOf(name) { // the same in this window for as long as it is open: whoever comes back is who he was
  const key = `seat of ${name}`;
  if (!sessionStorage[key]) sessionStorage[key] = crypto.randomUUID();
  return sessionStorage[key];
}

function openPane(name, room, peers) {
  const pane = $("#pane").content.cloneNode(true).firstElementChild;
  const [log, alert, words, toggle, nameField, shownHere] = [".log", ".alert", ".words", ".toggle", ".name", ".here"].map((each) => $(each, pane));
  const append = openLog(log), seat = seatOf(name);
  let here = new Map(), isBack = false, by = "";

  pane.setAttribute("aria-label", `${name}’s window`);
  log.setAttribute("aria-label", `What ${name} hears`);
  words.setAttribute("aria-label", `A message from ${name}`);
  toggle.setAttribute("aria-label", `Leave the room as ${name}`);
  nameField.value = name;

  const complain = (text) => {
    alert.textContent = text;
    alert.hidden = !text;
  };
  const note = (text) => append(element("li", "note", text));
  const showHere = () => { shownHere.textContent = here.size ? `Here: ${[...here.values()].map((guest) => guest.id === seat ? `${guest.name} (you)` : guest.name).sort().join(", ")}` : ""; };
  const showQueue = () => complain(talk.queued ? `${talk.queued} to be sent as soon as the connection is back.` : "");

  const NEWS = {
    "channel.message": ({ data: { from, text } }) => {
      const item = element("li", from.id === seat ? "said mine" : "said");
      item.dataset.colour = colourOf(from.id);
      item.append(element("span", "who", from.name), element("span", "text", text));
      append(item);
    },
    "channel.joined": ({ member }) => {
      if (!here.has(member.id)) note(`${member.name} came in`);
      here.set(member.id, member);
      showHere();
    },
    "channel.left": ({ member }) => {
      if (here.delete(member.id)) note(`${member.name} left`);
      showHere();
    },
    welcome(news) {
      here = new Map(news.here.map((guest) => [guest.id, guest]));
      showHere();
      by = `process ${news.by}`;
      showState(pane, { state: "open", by });
      if (isBack) note(news.recovered ? `Back, at ${by}; nothing was missed` : `Back, at ${by}`);
      isBack = true;
    },
    refused: ({ limit }) => complain(`Not sent: the room takes 1 to ${limit} characters.`),
  };

  const talk = openTalk(peers.map((peer) => `${peer}/chat/${encodeURIComponent(room)}`), {
    params: () => ({ name, seat }),
    heard: ({ data }) => NEWS[data.type]?.(data),
    missed: ({ missed }) => note(`${missed ?? "Some"} messages could not be recovered`),
    changed(now) {
      showState(pane, now);
      toggle.textContent = now.state === "closed" ? "Join" : "Leave";
      toggle.setAttribute("aria-label", now.state === "closed" ? `Join the room as ${name}` : `Leave the room as ${name}`);
      if (now.state === "open") complain("");
      if (now.code === 1009) complain("Closed by the server: that message was over its limit of 4 KiB.");
    },
  });

  toggle.onclick = () => (talk.wanted ? talk.stop() : talk.start());
  nameField.onchange = () => {
    const wanted = nameField.value.trim();
    if (!wanted || wanted === name) { nameField.value = name; return; }
    name = wanted;
    if (talk.wanted) { talk.stop(); talk.start(); }
  };
  $("form", pane).onsubmit = (event) => {
    event.preventDefault();
    if (!words.value.trim()) return;
    if (talk.send(words.value)) {
      words.value = "";
      showQueue();
    } else complain("Not sent: this window is not connected. Your words are still here.");
  };

  $("#panes").append(pane);
  talk.start();
}

// ---- the ticker

function openTicker(peers) {
  const root = $("#ticker"), toggle = $(".toggle", root);
  const talk = openTalk(peers.map((peer) => `${peer}/ticker`), {
    events: false,
    changed(now) {
      showState(root, now);
      toggle.textContent = now.state === "closed" ? "Start" : "Stop";
      if (now.state !== "open") $("#running").textContent = "–";
    },
    heard({ data: { tick, running } }) {
      $("#tick").textContent = tick;
      $("#running").textContent = running;
    },
  });
  toggle.onclick = () => (talk.wanted ? talk.stop() : talk.start());
  talk.start();
}

// ---- the echo

function openEcho(peers) {
  const root = $("#echo"), toggle = $(".toggle", root), log = $(".log", root), field = $("input", root);
  const append = openLog(log);
  let sent = [];
  const talk = openTalk(peers.map((peer) => `${peer}/echo`), {
    events: false,
    comeBack: [1006, 1012, 1013],
    changed(now) {
      showState(root, now);
      toggle.textContent = now.state === "closed" ? "Connect" : "Disconnect";
      if (now.state !== "open") sent = [];
    },
    heard({ text }) {
      const item = element("li", "said");
      item.append(element("span", "text", text), element("span", "who", `${(performance.now() - sent.shift()).toFixed(1)} ms`));
      append(item);
    },
  });
  toggle.onclick = () => (talk.wanted ? talk.stop() : talk.start());
  $("form", root).onsubmit = (event) => {
    event.preventDefault();
    if (!field.value) return;
    if (talk.state !== "open") return append(element("li", "note", "Not sent: not connected."));
    sent.push(performance.now());
    talk.send(field.value);
    field.value = "";
  };
  talk.start();
}

// ---- the routes

async function showRoutes() {
  const rows = await (await fetch("/routes")).json();
  $("#routes").replaceChildren(...rows.map(({ path, methods, summary }) => {
    const row = element("tr");
    const verbs = element("td");
    verbs.append(...methods.map((method) => element("span", method === "WS" ? "verb ws" : "verb", method)));
    const where = element("td");
    where.append(element("code", "", path));
    row.append(verbs, where, element("td", "", summary));
    return row;
  }));
}

const room = new URLSearchParams(location.search).get("room") || "lobby";
// Where this app runs, this address first: of several, all goes on at the next when one ends.
const peers = [...new Set([location.origin, ...await (await fetch("/peers")).json()])];
openPane("Ann", room, peers);
openPane("Bob", room, peers);
openTicker(peers);
openEcho(peers);
showSources();
showRoutes().catch((error) => { $("#routes").append(element("tr", "", `The routes could not be read: ${error.message}`)); });
