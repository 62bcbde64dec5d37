"""LitServe, as its guide has it for files: a form in, a PNG out."""

import sys

import litserve
from fastapi import HTTPException, Response, UploadFile

import model


class Segmenter(litserve.LitAPI):
    def setup(self, device):
        self.segment = model.segment

    def decode_request(self, request: UploadFile):
        try:
            return model.opened(request.file.read())
        except OSError:
            raise HTTPException(status_code=422, detail="that is no picture")

    def predict(self, picture):
        return self.segment(picture)

    def encode_response(self, labels):
        return Response(content=model.png(labels), media_type="image/png")


if __name__ == "__main__":
    server = litserve.LitServer(Segmenter(), accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, num_api_servers=1)
