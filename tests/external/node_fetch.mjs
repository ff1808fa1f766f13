// Sends 9 MiB with a wrong key by Node's fetch, ten times. Each must get a clean 401, not a broken pipe.
const url = process.argv[2];
const body = JSON.stringify({ model: "m", messages: [{ role: "user", content: "x".repeat(9 * 1024 * 1024) }] });
let clean = 0;
for (let attempt = 1; attempt <= 10; attempt += 1) {
  const answer = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: "Bearer sk-cs-not-a-key-of-anybody", "content-type": "application/json" },
    body,
  });
  const { error } = await answer.json();
  if (answer.status !== 401 || error.code !== "invalid_credential") {
    throw new Error(`attempt ${attempt}: ${answer.status} ${JSON.stringify(error)}`);
  }
  clean += 1;
}
console.log(`${clean} of 10 uploads of 9 MiB with a wrong key were answered with a clean 401`);
