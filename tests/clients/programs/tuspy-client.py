"""tuspy. Its one argument is the job, see `harness/program.mjs`."""

import json
import sys

from tusclient.client import TusClient
from tusclient.storage.filestorage import FileStorage

job = json.loads(sys.argv[1])
storage = FileStorage(job["storage"]) if "storage" in job else None
uploader = TusClient(job["server"] + "/uploads/files/").uploader(
    job["file"],
    metadata=job["metadata"],
    retries=7,
    retry_delay=1,
    store_url=storage is not None,
    url_storage=storage,
    **{"chunk_size": 50 << 20, **job.get("options", {})},
)
uploader.upload()
print(json.dumps({"url": uploader.url}))
