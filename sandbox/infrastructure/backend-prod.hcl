bucket         = "sentiment-terraform-state"
key            = "prod/terraform.tfstate"
region         = "us-east-1"
dynamodb_table = "sentiment-terraform-locks"
