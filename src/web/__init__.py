"""Recognition as a service over HTTP, an extra: photos in, garments out, and a page for people without a terminal.

`server.serve` runs it. A request passes `guard` (who may ask), the routes of `app`, `reading` and `uploads` (a body in
memory, within limits), and `worker`, where the photos of all clients wait for one thread, which owns the networks.
Nothing is written to a disk, and no log has names or contents of photos.
"""
