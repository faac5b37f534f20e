"""The resource types of the stand-in Terraform provider, one file per corner of AWS."""
