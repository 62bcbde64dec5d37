/** Node's connections: bodies from its own streams, clients that are slow cut off by their sockets. */
import type { ServerResponse } from "node:http"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { Duration } from "effect"
import { HttpServerResponse } from "effect/http"
import type { Face } from "./Face.ts"
import * as Linger from "./Linger.ts"

/** From Node's own stream: a body is a few pieces, and most of what an effect for each of them would cost. */
const read: Face["read"] = (request, { broken, take, whole }) => {
  const source = NodeHttpServerRequest.toIncomingMessage(request)
  if (source.destroyed && !source.readableEnded) {
    queueMicrotask(broken)
    return () => {}
  }
  if (/^100-continue$/i.test(request.headers["expect"] ?? "")) {
    NodeHttpServerRequest.toServerResponse(request).writeContinue()
  }
  source.on("data", take).on("end", whole).on("error", broken).on("close", broken)
  return () => {
    source.off("data", take).off("end", whole).off("error", broken).off("close", broken)
    // What is still to come is not taken in; Node drops it, or the connection with it.
    source.pause()
  }
}

/** From when on an answer should have been taken, in milliseconds. */
const due = new WeakMap<object, number>()

/** Whether an answer still waits for its client. */
export const isSlow = (answer: Pick<ServerResponse, "writableLength">): boolean =>
  answer.writableLength > 0 && performance.now() > (due.get(answer) ?? Infinity)

const cut: Face["cut"] = (request) => {
  const answer = NodeHttpServerRequest.toServerResponse(request)
  const slow = isSlow(answer)
  if (slow) answer.destroy()
  return slow
}

const sent: Face["sent"] = (request, response, { grace, last, maxLinger, writeTimeout }) => {
  // The server sets it back when the connection is used again.
  NodeHttpServerRequest.toIncomingMessage(request).socket.setTimeout(Duration.toMillis(writeTimeout))
  due.set(NodeHttpServerRequest.toServerResponse(request), performance.now() + Duration.toMillis(grace))
  const lingering = Linger.refuse(request, response, maxLinger)
  return last ? HttpServerResponse.setHeader(lingering, "connection", "close") : lingering
}

export const face: Face = { read, caller: () => undefined, cut, sent }
