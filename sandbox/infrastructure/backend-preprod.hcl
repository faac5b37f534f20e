bucket         = "sentiment-terraform-state"
key            = "preprod/terraform.tfstate"
region         = "us-east-1"
dynamodb_table = "sentiment-terraform-locks"
