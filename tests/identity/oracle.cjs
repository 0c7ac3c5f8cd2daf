// aws-jwt-verify, spoken to in lines of JSON: one question a line in, one answer a line out.
//   {"jwt", "jwks", "options"}                 -> {"verdict": "accepted" | the error's class}
//   {"prepare": name, "jwts", "jwks", "options"}  -> {"verdict"}: keep a verifier under this name
//   {"bench": name, "count"}                   -> {"seconds", "cpu_seconds"}: verify so many of those tokens
const { createInterface } = require("node:readline");
const { JwtVerifier, CognitoJwtVerifier } = require("aws-jwt-verify");

const prepared = new Map();

function verifierOf({ jwks, options, cognito }) {
  const verifier = cognito ? CognitoJwtVerifier.create(options) : JwtVerifier.create(options);
  verifier.cacheJwks(jwks);
  return verifier;
}

function verdict(question) {
  try {
    verifierOf(question).verifySync(question.jwt);
    return "accepted";
  } catch (error) {
    return error.constructor.name;
  }
}

function answer(question) {
  if (question.bench) {
    const { verifier, jwts } = prepared.get(question.bench);
    const cpu = process.cpuUsage();
    const start = process.hrtime.bigint();
    for (let i = 0; i < question.count; i++) verifier.verifySync(jwts[i % jwts.length]);
    const seconds = Number(process.hrtime.bigint() - start) / 1e9;
    const { user, system } = process.cpuUsage(cpu);
    return { seconds, cpu_seconds: (user + system) / 1e6 };
  }
  if (question.prepare) {
    const verifier = verifierOf(question);
    prepared.set(question.prepare, { verifier, jwts: question.jwts });
    verifier.verifySync(question.jwts[0]);
    return { verdict: "accepted" };
  }
  return { verdict: verdict(question) };
}

createInterface({ input: process.stdin }).on("line", (line) => {
  process.stdout.write(JSON.stringify(answer(JSON.parse(line))) + "\n");
});
