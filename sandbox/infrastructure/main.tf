terraform {
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.40, < 7.0"
    }
  }

  backend "s3" {}
}

provider "aws" {
  region              = var.region
  allowed_account_ids = [var.account_id]
}

locals {
  prefix = "${var.environment}-sentiment"

  tags = {
    service     = "sentiment"
    environment = var.environment
  }
}
