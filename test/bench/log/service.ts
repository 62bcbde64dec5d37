/** The service of the `log` benchmark: a user, at once. */
import { createServer } from "node:http"

const body = Buffer.from(JSON.stringify({ id: 7, name: "Ada" }))
const server = createServer((request, response) => {
  request.resume()
  response.writeHead(200, { "content-type": "application/json", "content-length": body.length }).end(body)
})
server.listen(0, "127.0.0.1", () => {
  const address = server.address()
  process.send?.(typeof address === "object" && address !== null ? address.port : 0)
})
