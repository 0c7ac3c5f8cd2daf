"""What FastAPI alone costs: one route that reads a JSON body and answers with one as long as a plan, on our HTTP front.

Run as a program it prints its port and serves until it is ended.
"""

import asyncio
import json

from fastapi import FastAPI, Request, Response

from gateway.server.http1 import Server, new_event_loop

ANSWER = json.dumps({"url": "x" * 1200}).encode()


def application() -> FastAPI:
    """The bare application."""
    app = FastAPI()

    @app.post("/uploads")
    async def answer(request: Request) -> Response:
        json.loads(await request.body())
        return Response(ANSWER, media_type="application/json")

    return app


async def main() -> None:
    server = Server(application())
    await server.start()
    print(server.port, flush=True)
    await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(main())
