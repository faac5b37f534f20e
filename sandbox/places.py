"""Where everything in a sandbox is: files below its home, addresses on this machine, names in its AWS."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from sandbox.addresses import Addresses

ACCOUNT = "123456789012"
"""moto's own account: what STS answers when nobody says otherwise."""

FOREIGN_ACCOUNT = "222222222222"
"""The account that the fault `wrong-account` lands everybody in."""

REGION = "us-east-1"
ENVIRONMENTS = ("preprod", "prod")
FUNCTIONS = ("ingestion", "analysis", "dashboard")
ALIAS = "live"
"""The dashboard's alias: its callers follow it, not the newest code."""

EXECUTION = "AWS_Lambda_python3.11"
"""In the user agent of every request the service's functions make, as on AWS."""

STATE_BUCKET = "sentiment-terraform-state"
LOCK_TABLE = "sentiment-terraform-locks"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/sentiment-functions"


@dataclass(frozen=True, slots=True)
class Place:
    """The names of one environment in AWS."""

    name: str

    def function(self, package: str) -> str:
        """The name of a package's function, for instance prod-sentiment-dashboard."""
        return f"{self.name}-sentiment-{package}"

    @property
    def functions(self) -> dict[str, str]:
        """Function names by package."""
        return {package: self.function(package) for package in FUNCTIONS}

    @property
    def bucket(self) -> str:
        """The bucket of the packages."""
        return f"{self.name}-sentiment-deployments"

    @property
    def table(self) -> str:
        """The table of the analysed items."""
        return f"{self.name}-sentiment-items"

    @property
    def secret(self) -> str:
        """The secret that holds the dashboard's API key."""
        return f"{self.name}/sentiment/dashboard-api-key"

    @property
    def topic(self) -> str:
        """The ARN of the topic that alarms are published to."""
        return f"arn:aws:sns:{REGION}:{ACCOUNT}:{self.name}-sentiment-alarms"

    @property
    def alarm_prefix(self) -> str:
        """What the names of all its alarms begin with."""
        return f"{self.name}-sentiment-"

    @property
    def service_alarm(self) -> str:
        """The composite alarm over the functions' alarms."""
        return f"{self.name}-sentiment-service"

    @property
    def lock_alarm(self) -> str:
        """The alarm on how long the Terraform state is locked. Nobody reports that here: a drill sets it."""
        return f"{self.name}-terraform-locked"

    @property
    def state_key(self) -> str:
        """The key of the Terraform state."""
        return f"{self.name}/terraform.tfstate"

    @property
    def lock_id(self) -> str:
        """The key of the Terraform lock's item."""
        return f"{STATE_BUCKET}/{self.state_key}"


FUNCTION_NAMES = tuple(name for place in ENVIRONMENTS for name in Place(place).functions.values())
"""Every function of every environment."""


@dataclass(frozen=True, slots=True)
class Home:
    """The folder of a sandbox. Nothing is written outside it."""

    path: Path

    @property
    def addresses_file(self) -> Path:
        """Ports, as JSON."""
        return self.path / "addresses.json"

    @property
    def processes(self) -> Path:
        """The sandbox's own processes: pid and start time of each."""
        return self.path / "processes.json"

    @property
    def logs(self) -> Path:
        """What each process says."""
        return self.path / "logs"

    @property
    def faults(self) -> Path:
        """What goes wrong on purpose between a caller and AWS."""
        return self.path / "faults.json"

    @property
    def lambda_changes(self) -> Path:
        """Touched after every call that may have changed what a function runs."""
        return self.path / "run" / "lambda.changed"

    def changes_in(self, environment: str) -> Path:
        """Touched after every such call for a function of this environment."""
        return self.path / "run" / f"{environment}.changed"

    @property
    def repository(self) -> Path:
        """The bare Git repository of the service and its infrastructure code."""
        return self.path / "service.git"

    @property
    def releases(self) -> Path:
        """The built releases, oldest first, as JSON."""
        return self.path / "releases.json"

    @property
    def packages(self) -> Path:
        """The built packages, laid out as in the buckets."""
        return self.path / "packages"

    @property
    def environments(self) -> Path:
        """The environment files Backstop reads."""
        return self.path / "environments"

    @property
    def environment_file(self) -> Path:
        """Shell variables that let every AWS tool reach the sandbox."""
        return self.path / "environment.env"

    @property
    def credentials(self) -> Path:
        """The made-up credentials, one per file."""
        return self.path / "credentials"

    @property
    def terraform_config(self) -> Path:
        """Terraform's CLI configuration: providers come from the mirror."""
        return self.path / "terraform.rc"

    @property
    def provider_socket(self) -> Path:
        """Holds the path of the socket at which providers are asked for."""
        return self.path / "run" / "provider.socket"

    @property
    def mirror(self) -> Path:
        """Terraform's provider mirror."""
        return self.path / "mirror"

    @property
    def certificate(self) -> Path:
        """The certificate that signs notifications, and serves itself over HTTPS."""
        return self.path / "sns" / "certificate.pem"

    @property
    def signing_key(self) -> Path:
        """The private key of that certificate."""
        return self.path / "sns" / "key.pem"

    @property
    def webhook(self) -> Path:
        """Holds the URL that notifications go to; may be written at any time."""
        return self.path / "webhook.url"

    @property
    def deliveries(self) -> Path:
        """One JSON line per attempt to deliver a notification."""
        return self.path / "sns" / "deliveries.jsonl"

    @property
    def confirmations(self) -> Path:
        """One JSON line per confirmed subscription."""
        return self.path / "sns" / "confirmations.jsonl"

    @property
    def github_webhook(self) -> Path:
        """Holds the URL that GitHub's events go to; may be written at any time."""
        return self.path / "github-webhook.url"

    @property
    def github_deliveries(self) -> Path:
        """One JSON line per attempt to deliver an event of GitHub."""
        return self.path / "github-deliveries.jsonl"

    @property
    def active_faults(self) -> Path:
        """What was broken on purpose and not repaired yet, as JSON."""
        return self.path / "run" / "broken.json"

    @property
    def silenced(self) -> Path:
        """Names of alarms whose metric has no data, one per line."""
        return self.path / "run" / "silenced.txt"

    @property
    def opened(self) -> Path:
        """There once the account is ready to be used."""
        return self.path / "run" / "opened"

    @property
    def resets(self) -> Path:
        """Changes whenever AWS was set back to a kept moment."""
        return self.path / "run" / "reset.txt"

    @property
    def evaluations(self) -> Path:
        """When the evaluator last finished a round, seconds since 1970."""
        return self.path / "run" / "evaluated.txt"

    @property
    def leftovers(self) -> tuple[Path, ...]:
        """What only says what is broken, and who is told: gone after a reset."""
        return (self.faults, self.silenced, self.active_faults, self.webhook, self.github_webhook)

    def addresses(self) -> Addresses:
        """The ports of this sandbox; FileNotFoundError when there is no sandbox here."""
        return Addresses(**json.loads(self.addresses_file.read_text(encoding="utf-8")))

    def keep_addresses(self, addresses: Addresses) -> None:
        """Write the ports down."""
        self.addresses_file.write_text(json.dumps(asdict(addresses), indent=1), encoding="utf-8")
