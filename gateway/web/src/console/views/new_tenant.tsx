/** A tenant that is yet to be made: the editor over the least there can be. */
import { useState } from "preact/hooks";

import { Heading } from "../parts/common.js";
import { pretty } from "../model/json.js";
import { Editor } from "../parts/editor.js";
import { TENANT_ID, address } from "../route.js";

const LEAST = '{"version": 1, "tenant": "", "types": {}, "issuers": []}';

export function NewTenant() {
  const [id, setId] = useState("");
  const [begun, setBegun] = useState("");
  if (begun) {
    return (
      <>
        <p class="crumbs"><a href="#/tenants">Tenants</a></p>
        <Heading title={`New tenant ${begun}`}>New tenant <code>{begun}</code></Heading>
        <p>What is left out has its default; as long as no type is listed, nothing may be uploaded.</p>
        <Editor tenant={`+${begun}`} state={{ text: pretty(LEAST.replace('""', JSON.stringify(begun))), etag: "" }} readOnly={false} onSaved={(tenant) => { location.hash = address(tenant); }} />
      </>
    );
  }
  const wrong = id !== "" && !TENANT_ID.test(id);
  return (
    <>
      <p class="crumbs"><a href="#/tenants">Tenants</a></p>
      <Heading title="New tenant">New tenant</Heading>
      <form onSubmit={(event) => { event.preventDefault(); if (TENANT_ID.test(id)) setBegun(id); }}>
        <div class="field">
          <label for="tenant-id">Id</label>
          <input id="tenant-id" value={id} autocomplete="off" spellcheck={false} required aria-invalid={wrong} aria-describedby="tenant-id-notes" onInput={(event) => setId(event.currentTarget.value)} />
          <div class="notes" id="tenant-id-notes">
            <span class="help">1 to 63 of a-z, 0-9 and -, a letter or a digit first. It can't be changed later.</span>
            {wrong && <ul class="faults"><li><span aria-hidden="true">✕ </span>This can't be a tenant's id.</li></ul>}
          </div>
        </div>
        <p class="actions"><button type="submit" class="main">Go on</button></p>
      </form>
    </>
  );
}
