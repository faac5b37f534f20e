"""The stand-in's values as GitHub writes them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sandbox.github_api.lives import Attempt, JobScript, Span, live
from sandbox.github_api.state import NAME, OWNER, WORKFLOWS, Comment, Run, State, Thread

Json = dict[str, Any]
_REPOSITORY_URLS = """archive assignees blobs branches collaborators comments commits compare contents contributors
deployments downloads events forks git_commits git_refs git_tags hooks issue_comment issue_events issues keys labels
languages merges milestones notifications pulls releases stargazers statuses subscribers subscription tags teams
trees"""
_COUNTS = "forks forks_count open_issues open_issues_count size stargazers_count watchers watchers_count"
_HAS = "downloads issues projects wiki pages"
_PULL_COUNTS = "additions changed_files comments commits deletions review_comments"
_USER_URLS = "events followers following gists organizations received_events repos starred subscriptions"


def moment(at: datetime | None) -> str | None:
    """A time as GitHub writes it: whole seconds, UTC."""
    return f"{at:%Y-%m-%dT%H:%M:%SZ}" if at else None


class Shapes:
    """Everything as JSON, with links below one API address."""

    def __init__(self, api: str) -> None:
        self.api = api
        self.base = f"{api}/repos/{OWNER}/{NAME}"
        self.html = f"https://github.example.com/{OWNER}/{NAME}"

    def user(self, login: str = "backstop-bot") -> Json:
        """Somebody."""
        url = f"{self.api}/users/{login}"
        return {
            "login": login, "id": 1, "node_id": "U_1", "avatar_url": "", "gravatar_id": "", "url": url,
            "html_url": f"https://github.example.com/{login}", "type": "Bot", "site_admin": False,
            **{f"{name}_url": f"{url}/{name}" for name in _USER_URLS.split()},
        }  # fmt: skip

    def repository(self) -> Json:
        """The repository, as other things mention it."""
        return {
            "id": 42, "node_id": "R_42", "name": NAME, "full_name": f"{OWNER}/{NAME}", "private": True,
            "owner": self.user(OWNER), "html_url": self.html, "description": None, "fork": False, "url": self.base,
            **{f"{name}_url": f"{self.base}/{name}" for name in _REPOSITORY_URLS.split()},
        }  # fmt: skip

    def run(self, run: Run, state: State, now: datetime, attempt: Attempt | None = None) -> Json:
        """A run at an attempt, the latest if none is named."""
        attempt = attempt or run.latest
        whole = live(attempt, now).whole
        url, number = f"{self.base}/actions/runs/{run.id}", WORKFLOWS[run.workflow][0]
        earlier = f"{url}/attempts/{attempt.number - 1}" if attempt.number > 1 else None
        return {
            "id": run.id, "name": WORKFLOWS[run.workflow][1], "node_id": f"WFR_{run.id}", "head_branch": run.branch,
            "head_sha": run.sha, "path": f".github/workflows/{run.workflow}", "display_title": run.title,
            "run_number": run.number, "event": run.event, "status": whole.status, "conclusion": whole.conclusion,
            "workflow_id": number, "check_suite_id": run.id, "check_suite_node_id": f"CS_{run.id}", "url": url,
            "html_url": f"{self.html}/actions/runs/{run.id}", "pull_requests": self._mentioned(run, state),
            "created_at": moment(run.created), "updated_at": moment(whole.ended or now),
            "actor": self.user(), "triggering_actor": self.user(), "run_attempt": attempt.number,
            "run_started_at": moment(attempt.begun), "referenced_workflows": [],
            "jobs_url": f"{url}/jobs", "logs_url": f"{url}/logs", "artifacts_url": f"{url}/artifacts",
            "cancel_url": f"{url}/cancel", "rerun_url": f"{url}/rerun", "previous_attempt_url": earlier,
            "check_suite_url": f"{self.base}/check-suites/{run.id}",
            "workflow_url": f"{self.base}/actions/workflows/{number}", "head_commit": None,
            "repository": self.repository(), "head_repository": self.repository(),
        }  # fmt: skip

    def _mentioned(self, run: Run, state: State) -> list[Json]:
        if run.pull_request is None:
            return []
        thread = state.threads[run.pull_request]
        place = {"id": 42, "url": self.base, "name": NAME}
        return [
            {
                "id": thread.number, "number": thread.number, "url": f"{self.base}/pulls/{thread.number}",
                "head": {"ref": thread.branch, "sha": thread.sha, "repo": place},
                "base": {"ref": "main", "sha": "0" * 40, "repo": place},
            }
        ]  # fmt: skip

    def job(self, run: Run, attempt: Attempt, job: JobScript, span: Span, steps: list[Span]) -> Json:
        """A job of an attempt."""
        url = f"{self.base}/actions/jobs/{job.id}"
        told = [
            {
                "name": script.name, "number": number, "status": step.status, "conclusion": step.conclusion,
                "started_at": moment(step.begun), "completed_at": moment(step.ended),
            }
            for number, (script, step) in enumerate(zip(job.steps, steps, strict=False), 1)
        ]  # fmt: skip
        begun = moment(span.begun or attempt.begun)
        return {
            "id": job.id, "run_id": run.id, "run_url": f"{self.base}/actions/runs/{run.id}", "node_id": f"J_{job.id}",
            "head_sha": run.sha, "url": url, "html_url": f"{self.html}/actions/runs/{run.id}/job/{job.id}",
            "status": span.status, "conclusion": span.conclusion, "created_at": moment(attempt.begun),
            "started_at": begun, "completed_at": moment(span.ended), "name": job.name, "steps": told,
            "check_run_url": f"{self.base}/check-runs/{job.id}", "labels": ["ubuntu-latest"], "runner_id": 1,
            "runner_name": "runner-1", "runner_group_id": 1, "runner_group_name": "Default",
            "workflow_name": WORKFLOWS[run.workflow][1], "head_branch": run.branch, "run_attempt": attempt.number,
        }  # fmt: skip

    def artifact(self, run: Run, number: int, name: str, size: int) -> Json:
        """An artifact of a run."""
        url = f"{self.base}/actions/artifacts/{number}"
        at = moment(run.created)
        return {
            "id": number, "node_id": f"A_{number}", "name": name, "size_in_bytes": size, "url": url,
            "archive_download_url": f"{url}/zip", "expired": False, "created_at": at, "updated_at": at,
            "expires_at": at,
        }  # fmt: skip

    def comment(self, thread: Thread, comment: Comment) -> Json:
        """A comment."""
        return {
            "id": comment.id, "node_id": f"IC_{comment.id}", "body": comment.body, "user": self.user(),
            "url": f"{self.base}/issues/comments/{comment.id}",
            "html_url": f"{self.html}/issues/{thread.number}#issuecomment-{comment.id}",
            "issue_url": f"{self.base}/issues/{thread.number}", "author_association": "MEMBER",
            "created_at": moment(comment.created), "updated_at": moment(comment.updated),
        }  # fmt: skip

    def issue(self, thread: Thread) -> Json:
        """An issue, or a pull request as the list of issues shows it."""
        url = f"{self.base}/issues/{thread.number}"
        at = moment(thread.created)
        told: Json = {
            "id": thread.number, "node_id": f"I_{thread.number}", "url": url, "repository_url": self.base,
            "labels_url": f"{url}/labels", "comments_url": f"{url}/comments", "events_url": f"{url}/events",
            "html_url": f"{self.html}/issues/{thread.number}", "number": thread.number, "state": thread.state,
            "title": thread.title, "body": thread.body, "user": self.user(), "labels": list(thread.labels),
            "assignee": None, "assignees": [], "milestone": None, "locked": False, "author_association": "MEMBER",
            "comments": len(thread.comments), "closed_at": None, "created_at": at, "updated_at": at,
        }  # fmt: skip
        if thread.branch:
            pull = f"{self.base}/pulls/{thread.number}"
            told["pull_request"] = dict.fromkeys(("url", "html_url", "diff_url", "patch_url"), pull)
        return told

    def pull_request(self, thread: Thread, *, whole: bool = False) -> Json:
        """A pull request as a list shows it; `whole`: as it is told alone."""
        url, issue = f"{self.base}/pulls/{thread.number}", f"{self.base}/issues/{thread.number}"
        html = f"{self.html}/pull/{thread.number}"
        links = {
            "self": url, "html": html, "issue": issue, "comments": f"{issue}/comments", "commits": f"{url}/commits",
            "review_comments": f"{url}/comments", "review_comment": f"{self.base}/pulls/comments{{/number}}",
            "statuses": f"{self.base}/statuses/{thread.sha}",
        }  # fmt: skip
        kept = ("issue", "comments", "commits", "review_comments", "review_comment", "statuses")
        told = self.issue(thread) | {
            "node_id": f"PR_{thread.number}", "url": url, "html_url": html, "diff_url": f"{html}.diff",
            "patch_url": f"{html}.patch", "merge_commit_sha": None, "merged_at": None, "auto_merge": None,
            "head": self._side(thread.branch, thread.sha), "base": self._side(thread.base, "0" * 40),
            "_links": {name: {"href": link} for name, link in links.items()},
            **{f"{name}_url": links[name] for name in kept},
        }  # fmt: skip
        del told["pull_request"], told["comments"]
        if whole:
            told |= {"merged": False, "merged_by": None, "mergeable": None, "mergeable_state": "unknown"}
            told |= {"maintainer_can_modify": False, **dict.fromkeys(_PULL_COUNTS.split(), 0)}
        return told

    def _side(self, branch: str, sha: str) -> Json:
        repository = self.repository() | {
            "default_branch": "main", "homepage": None, "language": None, "archived": False, "disabled": False,
            "license": None, "pushed_at": None, "created_at": None, "updated_at": None, "mirror_url": None,
            **{f"{name}_url": f"{self.html}.git" for name in ("clone", "git", "ssh", "svn")},
            **{f"has_{name}": False for name in _HAS.split()}, **dict.fromkeys(_COUNTS.split(), 0),
        }  # fmt: skip
        return {
            "label": f"{OWNER}:{branch}", "ref": branch, "sha": sha, "repo": repository, "user": self.user(OWNER),
        }  # fmt: skip
