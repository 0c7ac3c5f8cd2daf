/** The console as a whole: who is signed in, which view is shown, and what was just said. */
import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";

import { Api, type Problem } from "./api.js";
import { ConsoleContext, type Console } from "./context.js";
import { readRoute, type Route } from "./route.js";
import { keepSession, keptSession, type Session } from "./session.js";
import { NewTenant } from "./views/new_tenant.js";
import { SignIn } from "./views/sign_in.js";
import { Tenant } from "./views/tenant.js";
import { Tenants } from "./views/tenants.js";

export function App() {
  const [session, setSession] = useState<Session | null>(keptSession);
  const [refused, setRefused] = useState<Problem | null>(null);
  const route = useRoute();
  // What was begun is kept while somebody signs in again: a token ends in the middle of any work.
  const kept = useRef({ drafts: new Map(), handed: { question: null } });
  const [said, setSaid] = useState("");
  const enter = useCallback((next: Session | null) => {
    keepSession(next);
    setSession(next);
    setRefused(null);
    setSaid("");
    if (next === null) kept.current.drafts.clear();
  }, []);
  const found = useMemo<Console | null>(() => {
    if (session === null) return null;
    const onUnauthorized = (problem: Problem) => { keepSession(null); setSession(null); setRefused(problem); };
    return { api: new Api(session.token, onUnauthorized), announce: setSaid, ...kept.current };
  }, [session]);
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => { event.preventDefault(); document.querySelector<HTMLElement>("main h1")?.focus(); }}>Skip to the content</a>
      <header class="top">
        <a class="brand" href="#/tenants">upload-gateway <span>console</span></a>
        {session && <Signed session={session} onOut={() => enter(null)} />}
      </header>
      {found === null
        ? <main id="main"><SignIn refused={refused} onSession={enter} /></main>
        : <ConsoleContext.Provider value={found}><main id="main"><View route={route} /></main></ConsoleContext.Provider>}
      <div class="toast" role="status">{said}</div>
    </>
  );
}

function View({ route }: { route: Route }) {
  switch (route.view) {
    case "tenants":
      return <Tenants />;
    case "new":
      return <NewTenant />;
    case "tenant":
      return <Tenant key={route.tenant} tenant={route.tenant} tab={route.tab} />;
  }
}

function useRoute(): Route {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const follow = () => setHash(location.hash);
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  return useMemo(() => readRoute(hash), [hash]);
}

const TICK = 15_000;

/** Who is signed in and for how long; the gateway decides, this only says it in time. */
function Signed({ session, onOut }: { session: Session; onOut: () => void }) {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const ticking = setInterval(() => setNow(Date.now()), TICK);
    return () => clearInterval(ticking);
  }, []);
  return (
    <div class="signed">
      <span>Operator <strong title={session.issuer}>{session.subject || "unnamed"}</strong></span>
      <span class="expiry">{lasting(session.expiresAt, now)}</span>
      <button type="button" class="small" onClick={onOut}>Sign out</button>
    </div>
  );
}

function lasting(expiresAt: number | null, now: number): string {
  if (expiresAt === null) return "The token says no end";
  const minutes = Math.floor((expiresAt - now) / 60_000);
  const at = `${new Date(expiresAt).toISOString().slice(11, 16)} UTC`;
  if (expiresAt <= now) return `The token ended at ${at}`;
  return minutes < 1 ? `The token ends at ${at}, in less than a minute` : `The token ends at ${at}, in ${minutes} min`;
}
