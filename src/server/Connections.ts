/**
 * The connections of a server, bounded in all and for each address. Where no further one has room, one on which no request
 * is answered makes room, the oldest first, and else one that takes its answer slowly: who only holds a connection, or never ends its
 * headers, keeps nobody else out.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http"
import type { Socket } from "node:net"
import type { Addresses } from "./Address.ts"
import * as NodeFace from "./NodeFace.ts"
import type { ServerLimits } from "./ServerLimits.ts"

export interface Connections {
  /** Ends those at rest, and those on which nothing has come yet, which are none to Node. */
  readonly closeIdle: () => void
}

/** Watches over the connections of a server. */
export const watch = (
  node: Server,
  addresses: Addresses,
  limits: Pick<ServerLimits, "maxConnections" | "maxConnectionsPerAddress">
): Connections => {
  /** In the order in which they came, with whose they are. */
  const sockets = new Map<Socket, string | undefined>()
  const silent = (socket: Socket): boolean => socket.bytesRead === 0
  /** Answers to requests whose headers have come. */
  const asked = new Map<Socket, Set<ServerResponse>>()
  const note = ({ socket }: IncomingMessage, response: ServerResponse): void => {
    const answers = asked.get(socket) ?? new Set()
    asked.set(socket, answers.add(response))
    response.once("close", () => {
      answers.delete(response)
      if (answers.size === 0) asked.delete(socket)
    })
  }
  const count = (address: string): number => {
    let found = 0
    for (const other of sockets.values()) if (other === address) found++
    return found
  }
  /** Ends one on which nothing is under way, or else is taken slowly, the oldest first; of this address where one is given. */
  const makeRoom = (address: string | undefined): boolean => {
    const own = Array.from(sockets, ([socket, whose]) =>
      (address ?? whose) === whose ? socket : undefined
    ).filter((socket) => socket !== undefined)
    const found =
      own.find((socket) => !asked.has(socket)) ??
      own.find((socket) => [...asked.get(socket)!].some(NodeFace.isSlow))
    if (found !== undefined) sockets.delete(found)
    found?.destroy()
    return found !== undefined
  }
  node.prependListener("request", note).prependListener("checkContinue", note)
  node.on("connection", (socket: Socket) => {
    const address = addresses.ofPeer(socket.remoteAddress)
    const isFull = sockets.size >= limits.maxConnections
    const isOver = address !== undefined && count(address) >= limits.maxConnectionsPerAddress
    if ((isOver && !makeRoom(address)) || (isFull && !isOver && !makeRoom(undefined))) {
      socket.destroy()
      return
    }
    sockets.set(socket, address)
    socket.once("close", () => sockets.delete(socket))
  })
  return {
    closeIdle: () => {
      node.closeIdleConnections()
      for (const socket of sockets.keys()) if (silent(socket)) socket.destroy()
    }
  }
}
