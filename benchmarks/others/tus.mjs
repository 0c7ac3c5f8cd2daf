// @tus/server with @tus/s3-store as their documentation sets them up; parts of the same size as the gateway's plan.
// Settings come in the environment, the port is printed when it listens.
import { createServer } from 'node:http'
import { S3Store } from '@tus/s3-store'
import { Server } from '@tus/server'

const { S3_KEY, S3_SECRET, S3_BUCKET, S3_REGION, S3_ENDPOINT, PART_SIZE } = process.env

const tus = new Server({
  path: '/files',
  datastore: new S3Store({
    partSize: Number(PART_SIZE),
    s3ClientConfig: {
      bucket: S3_BUCKET,
      region: S3_REGION,
      endpoint: S3_ENDPOINT,
      forcePathStyle: true,
      credentials: { accessKeyId: S3_KEY, secretAccessKey: S3_SECRET },
    },
  }),
})
const server = createServer((request, response) => tus.handle(request, response))
server.listen(0, '127.0.0.1', () => console.log(server.address().port))
