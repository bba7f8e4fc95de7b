// shallot.js: a conversation that comes back. One ES module, no dependency.
//
//   import { connect } from "/shallot.js"
//   const room = connect("/chat/lobby", { params: { name: "ann" } })
//   room.addEventListener("message", ({ detail }) => show(detail.data))
//   room.send("hello")
//
// It keeps the cursor of each channel, comes back by itself with jitter where that makes sense, goes on where it was, falls back to Server-Sent
// Events where no WebSocket gets through, and drops what it has seen. Of several URLs each failure takes the next. Its events (detail): message
// {data, text}, gap (the message), unsent (a list), state {state, code, reason, wait in ms}, close {code, reason}.

const SEEN = 1000 // messages that are known again
const MOST = 1900 // characters of all cursors together: they travel in a URL, and the server reads 2,048
const STEADY = 5000 // ms after which a connection counts as a good one

const DEFAULTS = {
  params: {}, // of the query; a function is asked at each attempt
  cursor: null, // where to begin
  protocols: [],
  comeBack: [1001, 1006, 1012, 1013], // after which closes
  events: true, // fall back to Server-Sent Events
  minWait: 500, // ms before the first return, with jitter; doubled at each failure
  maxWait: 15000,
  patience: 2, // attempts before the other transport is tried
  openWithin: 8000, // ms that an attempt may take
  maxQueue: 100, // messages that wait while offline
}

export const connect = (urls, options = {}) => new Connection(urls, options)

export class Connection extends EventTarget {
  #options; #urls; #socket = null; #timer; #tries = 0; #openedAt = 0
  #places = new Map(); #cursor; #seen = new Set(); #queue = []
  state = "waiting" // "connecting", "open", "waiting" (for the next attempt), "closed"
  transport = "websocket" // or "events"

  constructor(urls, options) {
    super()
    this.#options = { ...DEFAULTS, ...options }
    this.#urls = [urls].flat()
    this.#adopt(this.#options.cursor)
    addEventListener("online", this.#hurry)
    this.#attempt()
  }

  /** Where the client stands: a cursor, or of several channels "name=cursor&name=cursor". Give it to connect() to go on there. */
  get cursor() {
    if (!this.#places.size) return this.#cursor
    return this.#places.size == 1 ? [...this.#places.values()][0] : String(new URLSearchParams([...this.#places]))
  }

  #adopt(cursor) {
    this.#places = new Map(cursor?.includes("=") ? new URLSearchParams(cursor) : [])
    this.#cursor = cursor
  }

  /** Those that moved last are kept at the end. Where there are too many, the first are dropped, and "?" stands for them: the server tells of a gap. */
  #move(channel, cursor) {
    const places = this.#places, known = places.delete(channel)
    places.set(channel, cursor)
    while (!known && places.size > 2 && this.cursor.length > MOST) {
      places.delete([...places.keys()].find((name) => name))
      places.set("", "?")
    }
  }

  /** How many messages wait to be sent. */
  get queued() { return this.#queue.length }

  /** Send a text, or anything else as JSON. While offline it waits. False: it does not, the queue is full, or nothing can be said here. */
  send(data) {
    const text = typeof data == "string" || data instanceof ArrayBuffer || ArrayBuffer.isView(data) ? data : JSON.stringify(data)
    if (this.state == "closed" || this.transport == "events") return false
    if (this.state == "open") return this.#socket.send(text), true
    return this.#queue.length < this.#options.maxQueue && this.#queue.push(text) > 0
  }

  close(code = 1000, reason = "") {
    if (this.state == "closed") return
    this.#leave(code, reason)
    this.#finish(code, reason)
  }

  #tell(type, detail) { this.dispatchEvent(new CustomEvent(type, { detail })) }

  #become(state, more) {
    this.state = state
    this.#tell("state", { state, ...more })
  }

  #attempt() {
    const { params, protocols, openWithin } = this.#options
    const url = new URL(this.#urls[0], document.baseURI), socketed = this.transport == "websocket", cursor = this.cursor
    for (const [name, value] of Object.entries(typeof params == "function" ? params() : params)) url.searchParams.set(name, value)
    if (cursor) url.searchParams.set("cursor", cursor)
    if (socketed) url.protocol = url.protocol.replace("http", "ws")
    this.#become("connecting")
    const socket = (this.#socket = socketed ? new WebSocket(url, protocols) : new EventSource(url, { withCredentials: true }))
    const mine = (react) => (event) => { if (socket == this.#socket) react(event) }
    socket.binaryType = "arraybuffer"
    socket.onopen = mine(() => this.#open())
    socket.onmessage = mine((event) => this.#hear(event))
    if (socketed) socket.onclose = mine(({ code, reason }) => this.#lose(code, reason))
    else {
      socket.addEventListener("place", mine(({ lastEventId }) => this.#adopt(lastEventId)))
      socket.onerror = mine(() => this.#lose(1006, ""))
      socket.addEventListener("close", mine(({ data }) => this.#lose(...Object.values(JSON.parse(data)))))
    }
    this.#timer = setTimeout(mine(() => this.#lose(1006, "")), openWithin)
  }

  #open() {
    clearTimeout(this.#timer)
    this.#openedAt = performance.now()
    this.#become("open")
    if (this.transport == "websocket") while (this.#queue.length) this.#socket.send(this.#queue.shift())
    else if (this.#queue.length) this.#tell("unsent", this.#queue.splice(0))
  }

  #hear({ data: text, lastEventId }) {
    let data = text
    if (typeof text == "string") try { data = JSON.parse(text) } catch { /* a text of another kind */ }
    const { channel, cursor, type } = Object(data)
    const isMessage = type == "channel.message", place = channel + " " + cursor
    if (lastEventId) this.#adopt(lastEventId)
    if (channel && cursor) {
      if (isMessage && this.#seen.has(place)) return
      if (!lastEventId) this.#move(channel, cursor)
      if (isMessage) this.#seen.add(place)
      if (this.#seen.size > SEEN) this.#seen.delete(this.#seen.values().next().value)
    }
    if (type == "channel.gap") this.#tell("gap", data)
    else this.#tell("message", { data, text })
  }

  #lose(code, reason) {
    if (!this.#options.comeBack.includes(code)) return this.#finish(code, reason)
    this.#leave()
    const { minWait, maxWait, patience, events } = this.#options
    if (this.state == "open" && performance.now() - this.#openedAt > STEADY) this.#tries = 0
    this.#tries += 1
    if (!this.#openedAt && events && this.#tries % patience == 0) this.transport = this.transport == "events" ? "websocket" : "events"
    this.#urls.push(this.#urls.shift())
    const wait = Math.min(maxWait, minWait * 2 ** (this.#tries - 1)) * (0.5 + Math.random())
    this.#timer = setTimeout(() => this.#attempt(), wait)
    this.#become("waiting", { code, reason, wait })
  }

  #hurry = () => {
    if (this.state != "waiting") return
    clearTimeout(this.#timer)
    this.#attempt()
  }

  #leave(...why) {
    clearTimeout(this.#timer)
    const socket = this.#socket
    this.#socket = null // from here on nothing of it is heard
    socket?.close(...why)
  }

  #finish(code, reason) {
    this.#leave()
    removeEventListener("online", this.#hurry)
    this.#become("closed", { code, reason })
    this.#tell("close", { code, reason })
    if (this.#queue.length) this.#tell("unsent", this.#queue.splice(0))
  }
}
