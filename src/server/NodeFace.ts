/** Node's connections: bodies from its own streams, clients that are slow cut off by their sockets. */
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

const sent: Face["sent"] = (request, response, { last, maxLinger, writeTimeout }) => {
  // The server sets it back when the connection is used again.
  NodeHttpServerRequest.toIncomingMessage(request).socket.setTimeout(Duration.toMillis(writeTimeout))
  const lingering = Linger.refuse(request, response, maxLinger)
  return last ? HttpServerResponse.setHeader(lingering, "connection", "close") : lingering
}

export const face: Face = { read, isAborted: () => undefined, sent }
