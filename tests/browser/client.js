// A page of somebody's own that uploads with Uppy as it comes from the registry; which one decides the bundle.
import Uppy from "@uppy/core";
import AwsS3 from "@uppy/aws-s3";
import GoldenRetriever from "@uppy/golden-retriever";

// `options` go to @uppy/aws-s3 as they are. `sign` is {url, headers}: who signs Uppy 6's requests to S3.
window.start = ({ options, sign, restore }) => {
  const signRequest = sign && (async (asked) => {
    const answer = await fetch(sign.url, {
      method: "POST",
      headers: { ...sign.headers, "content-type": "application/json" },
      body: JSON.stringify(asked),
    });
    const said = await answer.json();
    if (!answer.ok) throw new Error(said.detail);
    return said;
  });
  const uppy = new Uppy({ id: "browser-test" });
  uppy.use(AwsS3, {
    ...options,
    shouldUseMultipart: (file) => file.size > 5 * 2 ** 20,
    ...(sign && { signRequest, generateObjectKey: (file) => file.name }),
  });
  window.uppy = uppy;
  window.said = [];
  window.parts = 0;
  uppy.on("upload-error", (_, error) => window.said.push(error.message));
  uppy.on("info-visible", () => {
    for (const { message, details } of uppy.getState().info) window.said.push(message, details);
  });
  uppy.on("s3-multipart:part-uploaded", () => window.parts++);
  uppy.on("restored", () => uppy.emit("restore-confirmed"));
  if (restore) uppy.use(GoldenRetriever, { indexedDB: { maxFileSize: 2 ** 30, maxTotalSize: 2 ** 31 } });
};

document.querySelector("input").addEventListener("change", ({ target }) => {
  for (const data of target.files) window.uppy.addFile({ name: data.name, type: data.type, data });
});

// How many were stored and how many failed, once nothing is under way. From the files themselves: Uppy 4 says nothing
// at the end of an upload that it restored.
window.outcome = () => {
  const files = window.uppy.getFiles();
  const stored = files.filter(({ progress }) => progress.uploadComplete).length;
  const failed = files.filter(({ error }) => error).length;
  return files.length > 0 && stored + failed === files.length ? [stored, failed] : null;
};
