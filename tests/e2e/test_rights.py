"""The role of these tests grants exactly what Rekey says it needs: so each of them also shows that it is enough."""

from pathlib import Path

import yaml

from rekey.kube import rights


def test_the_role_is_exact() -> None:
    """Every right that is needed is granted, and no other."""
    manifests = yaml.safe_load_all((Path(__file__).parent / "rbac.yaml").read_text())
    role = next(one for one in manifests if one["kind"] == "ClusterRole")
    granted = {
        rights.Right(group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert granted == set(rights.needed(()))
