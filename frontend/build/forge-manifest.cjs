// Holds the manifest in the folder that it is run in against Forge's own rules: `@forge/manifest`, which `forge lint`
// uses too.

const { validate } = require("@forge/manifest");

validate(false).then(({ success, errors = [] }) => {
  for (const { level, message, line } of errors)
    console.error(`manifest.yml:${line ?? 0}: ${level}: ${message}`);
  if (!success || errors.length > 0) process.exit(1);
  console.log("manifest.yml is a manifest of Forge");
});
